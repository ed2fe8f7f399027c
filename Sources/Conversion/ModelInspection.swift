import ModelGraph
import Support

/// What a model holds, counted.
public struct ModelInspection {
  /// Path, size and counts.
  public let facts: ModelFacts
  /// The operator sets it imports.
  public let operatorSets: [OperatorSet]
  /// The version of the file format.
  public let formatVersion: Int
  /// Inputs that callers feed, with type and shape.
  public let inputs: [String]
  /// Outputs, with type and shape.
  public let outputs: [String]
  /// How often each operator occurs, most frequent first.
  public let operatorCounts: [OperatorCount]
  /// The constants by element type, most bytes first.
  public let constantTypes: [ConstantCount]
  /// What quantization there is, in words.
  public let quantization: String
  /// Every node.
  public let nodes: [InspectedNode]

  /// Inspects a model.
  ///
  /// - Complexity: O(nodes + constants); large tensors are not touched.
  public init(_ model: Model, path: String) {
    facts = ModelSurvey.facts(of: model, path: path)
    operatorSets = model.operatorSets
    formatVersion = model.formatVersion
    inputs = facts.inputs
    outputs = model.graph.outputs.map(ModelSurvey.describe)
    let all = model.graph.allGraphs.flatMap(\.nodes)
    operatorCounts = OperatorCount.counts(
      of: all.map { $0.isStandard ? $0.operatorType : $0.domain + "." + $0.operatorType })
    constantTypes = ConstantCount.counts(
      of: ModelSurvey.constants(of: model).map { _, data in
        (type: data.elementType.name, elements: data.elementCount, bytes: data.byteCount)
      })
    quantization = ModelInspection.quantization(operatorCounts, all)
    nodes = all.map { node in
      InspectedNode(
        name: node.displayName, operatorType: node.operatorType,
        inputs: node.inputs.map { $0?.name ?? "-" }, outputs: node.outputs.map { $0?.name ?? "-" })
    }
  }

  private static func quantization(_ counts: [OperatorCount], _ nodes: [Node]) -> String {
    let weightOnly = nodes.filter { node in
      node.isONNX("DequantizeLinear") && node.inputs.first??.constant != nil
    }.count
    let named = counts.filter { operators in
      ["QuantizeLinear", "DynamicQuantizeLinear", "MatMulInteger", "ConvInteger"].contains(
        operators.name) || operators.name.hasPrefix("QLinear")
        || operators.name.hasSuffix("MatMulNBits")
    }
    guard weightOnly > 0 || !named.isEmpty else { return "nothing" }
    var parts: [String] = []
    if weightOnly > 0 { parts.append("\(weightOnly) constants behind DequantizeLinear") }
    parts += named.sorted { $0.name < $1.name }.map { "\($0.name) \($0.count)" }
    return parts.joined(separator: ", ")
  }

  /// The same facts under stable names; every node too if `verbose`.
  public func json(verbose: Bool) -> JSONValue {
    let nodes = verbose ? [("nodes", JSONValue.array(nodes.map(\.json)))] : []
    return .object(
      [
        ("model", .string(facts.path)), ("format", .string("ONNX")),
        ("bytes", .integer(facts.byteCount)), ("formatVersion", .integer(formatVersion)),
        (
          "operatorSets",
          .object(
            operatorSets.map { ($0.domain.isEmpty ? "ai.onnx" : $0.domain, .integer($0.version)) })
        ),
        ("inputs", .array(inputs.map { .string($0) })),
        ("outputs", .array(outputs.map { .string($0) })),
        ("operators", OperatorCount.json(operatorCounts)),
        ("constants", ConstantCount.json(constantTypes)),
        ("quantization", .string(quantization)),
      ] + nodes)
  }
}
