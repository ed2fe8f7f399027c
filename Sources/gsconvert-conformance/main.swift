import ArgumentParser
import FoundationEssentials
import Support

/// Runs ONNX's backend tests: folders with a model and its inputs and expected outputs.
struct Conformance: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "gsconvert-conformance",
    abstract: "Run the ONNX backend tests on the inference engine.")

  @Argument(help: "Folders of cases, for example /usr/share/libonnx-testdata/data/node.")
  var folders: [String]
  @Option(help: "Only cases whose name matches one of these, * for anything.")
  var only: [String] = []
  @Flag(help: "Print the cases that pass, too.")
  var all = false
  @Option(help: "Fail unless at least this many cases pass.")
  var atLeast = 0
  @Option(help: "Write the page of operators, with the cases that don't pass, to this file.")
  var page: String?

  func run() throws {
    let patterns = only.map { Glob($0) }
    var suites: [ConformanceSuite] = []
    for folder in folders {
      let names = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
        .filter { name in patterns.isEmpty || patterns.contains { $0.matches(name) } }
      var suite = ConformanceSuite(name: URL(filePath: folder).lastPathComponent)
      for name in names {
        let result = BackendCase(path: "\(folder)/\(name)").result()
        if all || result.kind != .passed {
          print("\(result.kind.rawValue) \(name): \(result.text)")
        }
        suite.results.append((name, result))
      }
      suites.append(suite)
    }
    for suite in suites { print("\(suite.name): \(suite.counts)") }
    if let page {
      try ConformancePage.text(suites).write(toFile: page, atomically: true, encoding: .utf8)
    }
    let passed = suites.reduce(0) { $0 + $1.count(.passed) }
    let failed = suites.reduce(0) { $0 + $1.count(.failed) }
    if failed > 0 || passed < atLeast { throw ExitCode.failure }
  }
}

Conformance.main()
