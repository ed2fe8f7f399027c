import ArgumentParser
import FoundationEssentials
import Inference
import ModelFormats
import ModelGraph
import Support

/// Runs ONNX's backend tests: folders with a model and its inputs and expected outputs.
struct Conformance: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "gsconvert-conformance",
    abstract: "Run the ONNX backend tests on the inference engine.")

  @Argument(help: "Folder of the cases, for example /usr/share/libonnx-testdata/data/node.")
  var folder: String
  @Option(help: "Only cases whose name matches one of these, * for anything.")
  var only: [String] = []
  @Flag(help: "Print the cases that pass, too.")
  var all = false
  @Option(help: "Fail unless at least this many cases pass.")
  var atLeast = 0

  func run() throws {
    let names = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
    let patterns = only.map { Glob($0) }
    var counts: [CaseResult.Kind: Int] = [:]
    for name in names where patterns.isEmpty || patterns.contains(where: { $0.matches(name) }) {
      let result = BackendCase(path: "\(folder)/\(name)").result()
      counts[result.kind, default: 0] += 1
      if all || result.kind != .passed { print("\(result.kind.rawValue) \(name): \(result.text)") }
    }
    let passed = counts[.passed] ?? 0
    print(
      "\(passed) passed, \(counts[.failed] ?? 0) failed, \(counts[.lacking] ?? 0) not supported")
    if (counts[.failed] ?? 0) > 0 || passed < atLeast { throw ExitCode.failure }
  }
}

Conformance.main()
