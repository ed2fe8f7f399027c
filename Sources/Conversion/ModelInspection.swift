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
  public let operatorCounts: [(name: String, count: Int)]
  /// The constants by element type, most bytes first.
  public let constantTypes: [(name: String, tensors: Int, elements: Int, bytes: Int)]
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
    var counts: [String: Int] = [:]
    for node in all {
      let name = node.isStandard ? node.operatorType : node.domain + "." + node.operatorType
      counts[name, default: 0] += 1
    }
    operatorCounts = counts.map { (name: $0.key, count: $0.value) }
      .sorted { ($1.count, $0.name) < ($0.count, $1.name) }
    var types: [String: (tensors: Int, elements: Int, bytes: Int)] = [:]
    for (_, data) in ModelSurvey.constants(of: model) {
      let old = types[data.elementType.name] ?? (0, 0, 0)
      types[data.elementType.name] = (
        old.tensors + 1, old.elements + data.elementCount, old.bytes + data.byteCount
      )
    }
    constantTypes = types.map {
      (name: $0.key, tensors: $0.value.tensors, elements: $0.value.elements, bytes: $0.value.bytes)
    }.sorted { ($1.bytes, $0.name) < ($0.bytes, $1.name) }
    quantization = ModelInspection.quantization(counts, all)
    nodes = all.map { node in
      InspectedNode(
        name: node.displayName, operatorType: node.operatorType,
        inputs: node.inputs.map { $0?.name ?? "-" }, outputs: node.outputs.map { $0?.name ?? "-" })
    }
  }

  private static func quantization(_ counts: [String: Int], _ nodes: [Node]) -> String {
    let weightOnly = nodes.filter { node in
      node.isONNX("DequantizeLinear") && node.inputs.first??.constant != nil
    }.count
    let named = counts.filter { name, _ in
      ["QuantizeLinear", "DynamicQuantizeLinear", "MatMulInteger", "ConvInteger"].contains(name)
        || name.hasPrefix("QLinear") || name.hasSuffix("MatMulNBits")
    }
    guard weightOnly > 0 || !named.isEmpty else { return "nothing" }
    var parts: [String] = []
    if weightOnly > 0 { parts.append("\(weightOnly) constants behind DequantizeLinear") }
    parts += named.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
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
        ("operators", .object(operatorCounts.map { ($0.name, .integer($0.count)) })),
        (
          "constants",
          .array(
            constantTypes.map { type in
              .object([
                ("type", .string(type.name)), ("tensors", .integer(type.tensors)),
                ("elements", .integer(type.elements)), ("bytes", .integer(type.bytes)),
              ])
            })
        ),
        ("quantization", .string(quantization)),
      ] + nodes)
  }
}
