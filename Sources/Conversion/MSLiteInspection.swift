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

  private var operatorCounts: [OperatorCount] {
    OperatorCount.counts(of: model.nodes.map(\.primitive.name))
  }

  private var constantTypes: [ConstantCount] {
    ConstantCount.counts(
      of: model.tensors.filter(\.isConstant).map { tensor in
        (
          type: tensor.elementType.name,
          elements: TensorData.elementCount(of: tensor.dimensions) ?? 0, bytes: tensor.byteCount
        )
      })
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
        "constants  \(type.type)   \(type.tensors) tensors   \(NumberText.bytes(type.bytes))")
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
        ("operators", OperatorCount.json(operatorCounts)),
        ("constants", ConstantCount.json(constantTypes)),
        ("quantizedConstants", .integer(quantizedCount)),
        ("quantizationParameters", .integer(parameterCount)),
      ] + nodes)
  }
}
