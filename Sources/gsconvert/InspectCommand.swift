import ArgumentParser
import Conversion
import ModelFormats
import ModelGraph
import Support

/// `gsconvert inspect MODEL`: what a model file holds.
struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Shows inputs, outputs, operators, weights and quantization of a model.",
    usage: "gsconvert inspect <model> [--verbose] [--logFormat=json]")

  @Argument(help: .init("The model.", valueName: "model"))
  var model: String

  @Option(
    name: .customLong("verbose"), help: .init("List every node.", valueName: "true|false"))
  var verbose = false

  @Option(name: .customLong("logFormat"), help: .init("text or json.", valueName: "format"))
  var logFormat = "text"

  func run() throws {
    let console = try Console(logFormat: logFormat)
    if MSLiteReader.recognizes(path: model) {
      let inspection = try MSLiteInspection(path: model)
      if console.isJSON { return console.result(inspection.json(verbose: verbose).text) }
      for line in inspection.lines(verbose: verbose) { console.result(line) }
      return
    }
    let inspection = ModelInspection(try ModelLoader.load(path: model), path: model)
    if console.isJSON {
      console.result(inspection.json(verbose: verbose).text)
    } else {
      for line in inspectionLines(inspection) { console.result(line) }
    }
  }

  private func inspectionLines(_ inspection: ModelInspection) -> [String] {
    let facts = inspection.facts
    var lines = [
      "model      \(facts.path)   ONNX   \(NumberText.bytes(facts.byteCount))",
      "operators  "
        + inspection.operatorSets.map { set in
          "\(set.domain.isEmpty ? "ai.onnx" : set.domain) \(set.version)"
        }.joined(separator: ", ") + "   format version \(inspection.formatVersion)",
    ]
    lines += inspection.inputs.map { "input      \($0)" }
    lines += inspection.outputs.map { "output     \($0)" }
    lines.append(
      "nodes      \(facts.nodeCount): "
        + inspection.operatorCounts.map { "\($0.name) \($0.count)" }.joined(separator: ", "))
    for type in inspection.constantTypes {
      lines.append(
        "constants  \(type.type)   \(type.tensors) tensors   \(NumberText.count(type.elements)) "
          + "elements   \(NumberText.bytes(type.bytes))")
    }
    lines.append("quantized  \(inspection.quantization)")
    if verbose {
      var table = TextTable(["node", "operator", "inputs", "outputs"])
      for node in inspection.nodes {
        table.append([
          node.name, node.operatorType, node.inputs.joined(separator: " "),
          node.outputs.joined(separator: " "),
        ])
      }
      lines += [""] + table.lines
    }
    return lines
  }
}
