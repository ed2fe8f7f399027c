import ModelFormats
import ModelGraph
import Support

/// What a `.ms` file holds, counted.
public struct MSLiteInspection {
  private let model: MSLiteModel
  private let path: String
  private let byteCount: Int

  /// Reads a file.
  ///
  /// - Throws: a file that can't be read or isn't sound.
  public init(path: String) throws(Failure) {
    model = try MSLiteReader.read(path: path)
    self.path = path
    byteCount = (try? MappedFile(path: path).count) ?? 0
  }

  private func described(_ index: Int) -> String {
    let tensor = model.tensors[index]
    let extents = tensor.dimensions.map { $0 < 0 ? "?" : String($0) }
    return "\(tensor.name) \(tensor.elementType.name)[\(extents.joined(separator: ","))]"
  }

  private var inputs: [String] { model.subgraphs[0].inputs.map(described) }
  private var outputs: [String] { model.subgraphs[0].outputs.map(described) }

  private var operatorCounts: [(name: String, count: Int)] {
    var counts: [String: Int] = [:]
    for node in model.nodes { counts[node.primitive.name, default: 0] += 1 }
    return counts.map { (name: $0.key, count: $0.value) }
      .sorted { ($1.count, $0.name) < ($0.count, $1.name) }
  }

  private var constantTypes: [(name: String, tensors: Int, bytes: Int)] {
    var types: [String: (tensors: Int, bytes: Int)] = [:]
    for tensor in model.tensors where tensor.isConstant {
      let old = types[tensor.elementType.name] ?? (0, 0)
      types[tensor.elementType.name] = (old.tensors + 1, old.bytes + tensor.byteCount)
    }
    return types.map { (name: $0.key, tensors: $0.value.tensors, bytes: $0.value.bytes) }
      .sorted { ($1.bytes, $0.name) < ($0.bytes, $1.name) }
  }

  private var quantizedCount: Int {
    model.tensors.count { $0.isConstant && !$0.quantization.isEmpty }
  }

  private var parameterCount: Int { model.tensors.reduce(0) { $0 + $1.quantization.count } }

  /// The facts, a line each.
  ///
  /// - Parameter verbose: whether every node is listed.
  public func lines(verbose: Bool) -> [String] {
    var lines = ["model      \(path)   .ms   \(NumberText.bytes(byteCount))   \(model.version)"]
    lines += inputs.map { "input      \($0)" }
    lines += outputs.map { "output     \($0)" }
    lines.append(
      "nodes      \(model.nodes.count): "
        + operatorCounts.map { "\($0.name) \($0.count)" }.joined(separator: ", "))
    for type in constantTypes {
      lines.append(
        "constants  \(type.name)   \(type.tensors) tensors   \(NumberText.bytes(type.bytes))")
    }
    lines.append(
      quantizedCount == 0
        ? "quantized  nothing"
        : "quantized  \(quantizedCount) constants, \(parameterCount) parameters")
    if verbose {
      lines.append("")
      for node in nodes {
        let (inputs, outputs) = (
          node.inputs.joined(separator: " "), node.outputs.joined(separator: " ")
        )
        lines.append("\(node.name)  \(node.operatorType)  \(inputs) -> \(outputs)")
      }
    }
    return lines
  }

  private var nodes: [InspectedNode] {
    model.nodes.map { node in
      InspectedNode(
        name: node.name, operatorType: node.primitive.name,
        inputs: node.inputs.map { model.tensors[$0].name },
        outputs: node.outputs.map { model.tensors[$0].name })
    }
  }

  /// The same facts under stable names; every node too if `verbose`.
  public func json(verbose: Bool) -> JSONValue {
    let nodes = verbose ? [("nodes", JSONValue.array(nodes.map(\.json)))] : []
    return .object(
      [
        ("model", .string(path)), ("format", .string("MINDIR_LITE")),
        ("bytes", .integer(byteCount)),
        ("version", .string(model.version)),
        ("inputs", .array(inputs.map { .string($0) })),
        ("outputs", .array(outputs.map { .string($0) })),
        ("operators", .object(operatorCounts.map { ($0.name, .integer($0.count)) })),
        (
          "constants",
          .array(
            constantTypes.map { type in
              .object([
                ("type", .string(type.name)), ("tensors", .integer(type.tensors)),
                ("bytes", .integer(type.bytes)),
              ])
            })
        ),
        ("quantizedConstants", .integer(quantizedCount)),
        ("quantizationParameters", .integer(parameterCount)),
      ] + nodes)
  }
}
