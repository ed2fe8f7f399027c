import ModelGraph

/// Writes products that quantize their input while they run as float products with integer weights:
/// `DynamicQuantizeLinear -> MatMulInteger or ConvInteger -> Cast -> Mul`, as ONNX Runtime's
/// quantizer writes them. The weights keep their integers, the activations stay float.
struct DynamicReading {
  private let graph: Graph
  private let uses: GraphUses
  private var names: UniqueNames
  private var removed: Set<ObjectIdentifier> = []
  private var standing: [ObjectIdentifier: [Node]] = [:]

  /// Changes the main graph.
  ///
  /// - Returns: how many products were written anew.
  /// - Complexity: O(edges).
  static func apply(to graph: Graph) -> Int {
    var pass = DynamicReading(
      graph: graph, uses: GraphUses(graph), names: UniqueNames(in: graph))
    for node in graph.nodes { pass.visit(node) }
    graph.nodes = graph.nodes.flatMap { node in
      pass.standing[ObjectIdentifier(node)]
        ?? (pass.removed.contains(ObjectIdentifier(node)) ? [] : [node])
    }
    if !pass.standing.isEmpty { pass.removeUnread() }
    return pass.standing.count
  }

  private init(graph: Graph, uses: GraphUses, names: UniqueNames) {
    self.graph = graph
    self.uses = uses
    self.names = names
  }

  private mutating func visit(_ node: Node) {
    guard node.isONNX("MatMulInteger") || node.isONNX("ConvInteger"),
      (2...4).contains(node.inputs.count), let quantize = quantizer(of: node),
      let weights = node.inputs[1], let data = weights.constant, !weights.isOverridable,
      data.dimensions.count >= 2, let sum = node.outputs.first ?? nil,
      let cast = uses.onlyReader(of: sum), cast.isONNX("Cast"), cast.int("to") == 1,
      let floats = cast.outputs.first ?? nil,
      let last = uses.onlyReader(of: floats), last.isONNX("Mul"), last.inputs.count == 2,
      let factor = last.inputs.first(where: { $0 !== floats }) ?? nil,
      let scale = weightScale(factor, quantize)
    else { return }
    let isConvolution = node.isONNX("ConvInteger")
    guard let count = scale.constant?.elementCount, count == 1 || !isConvolution else { return }
    let zeroPoint = node.inputs.count > 3 ? node.inputs[3] : nil
    let real = Value(name: names.make(weights.name + "_dequantized"))
    let dequantize = Node(
      name: real.name, operatorType: "DequantizeLinear",
      inputs: [weights, scale] + (zeroPoint.map { [$0] } ?? []), outputs: [real],
      attributes: [Attribute("axis", .int(Int64(data.dimensions.count - 1)))])
    let product = Node(
      name: node.name, operatorType: isConvolution ? "Conv" : "MatMul",
      inputs: [quantize.inputs[0], real], outputs: last.outputs, attributes: node.attributes)
    standing[ObjectIdentifier(last)] = [dequantize, product]
    removed.formUnion([node, cast].map(ObjectIdentifier.init))
  }

  /// What quantizes the input of a product, with its zero point.
  private func quantizer(of node: Node) -> Node? {
    guard let integers = node.inputs[0], let quantize = integers.producer,
      quantize.isONNX("DynamicQuantizeLinear"), quantize.outputs.count == 3,
      quantize.inputs.count == 1, quantize.outputs[0] === integers,
      let zeroPoint = quantize.outputs[2], node.inputs.count > 2, node.inputs[2] === zeroPoint
    else { return nil }
    return quantize
  }

  /// The constant scale of the weights in the product with that of the input.
  private func weightScale(_ factor: Value, _ quantize: Node) -> Value? {
    guard let node = factor.producer, node.isONNX("Mul"), node.inputs.count == 2,
      let scale = quantize.outputs[1], node.inputs.contains(where: { $0 === scale }),
      let other = node.inputs.first(where: { $0 !== scale }) ?? nil,
      other.constant?.elementType == .float32, !other.isOverridable
    else { return nil }
    return other
  }

  /// Takes out products of scales, and what quantized, where nothing reads them any more.
  private func removeUnread() {
    for type in ["Mul", "DynamicQuantizeLinear"] {
      let uses = GraphUses(graph)
      graph.nodes.removeAll { node in
        node.isONNX(type) && !node.outputs.contains { $0.map(uses.isUsed) ?? false }
      }
    }
  }
}
