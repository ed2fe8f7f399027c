import ArgumentParser
import FoundationEssentials
import Inference
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
  @Option(help: "Write the page of operators, with the cases that aren't supported, to this file.")
  var page: String?

  func run() throws {
    var results: [(name: String, result: CaseResult)] = []
    let patterns = only.map { Glob($0) }
    for folder in folders {
      let names = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
      for name in names where patterns.isEmpty || patterns.contains(where: { $0.matches(name) }) {
        let result = BackendCase(path: "\(folder)/\(name)").result()
        if all || result.kind != .passed {
          print("\(result.kind.rawValue) \(name): \(result.text)")
        }
        results.append((name, result))
      }
    }
    let passed = results.count { $0.result.kind == .passed }
    let failed = results.count { $0.result.kind == .failed }
    print("\(passed) passed, \(failed) failed, \(results.count - passed - failed) not supported")
    if let page {
      let text = OperatorReference.markdown() + casesText(results)
      try text.write(toFile: page, atomically: true, encoding: .utf8)
    }
    if failed > 0 || passed < atLeast { throw ExitCode.failure }
  }

  /// The page's second part: what was run, and what isn't supported and why.
  private func casesText(_ results: [(name: String, result: CaseResult)]) -> String {
    let passed = results.count { $0.result.kind == .passed }
    var text = """

      ## ONNX backend tests

      Of \(results.count) cases of Debian's libonnx-testdata \(passed) pass within the suite's tolerances (1e-3
      relative). The others ask for what the engine does not have:

      | case | why it is not run |
      |---|---|

      """
    for (name, result) in results where result.kind != .passed {
      text += "| \(name) | \(result.text) |\n"
    }
    return text
  }
}

Conformance.main()
