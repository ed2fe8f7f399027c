import GraphPasses
import ModelGraph

/// Rewrites of ONNX's graph that make operators of it that the format has.
enum ActivationRewrites {
  static func apply(to graph: Graph) {
    var nodes: [Node] = []
    for node in graph.nodes {
      if node.isONNX("HardSigmoid") { nodes += scaled(node, graph) }
      nodes.append(node)
    }
    graph.nodes = nodes
    joinHardSwish(graph)
  }

  /// `x * clip(x + 3, 0, 6) / 6` is one operator since version 14 of ONNX's.
  private static func joinHardSwish(_ graph: Graph) {
    let uses = GraphUses(graph)
    var removed: Set<ObjectIdentifier> = []
    func maker(_ value: Value?, _ type: String) -> Node? {
      guard let value, let node = value.producer, node.isONNX(type),
        uses.onlyReader(of: value) != nil
      else { return nil }
      return node
    }
    for node in graph.nodes where node.isONNX("Div") && node.inputs.count == 2 {
      guard node.inputs[1]?.soleNumber == 6, let product = maker(node.inputs[0], "Mul"),
        product.inputs.count == 2
      else { continue }
      for (x, gate) in [(0, 1), (1, 0)] {
        guard let clip = maker(product.inputs[gate], "Clip"), clip.inputs.count == 3,
          clip.inputs[1]?.soleNumber == 0, clip.inputs[2]?.soleNumber == 6,
          let sum = maker(clip.inputs[0], "Add"), sum.inputs.count == 2,
          let value = product.inputs[x],
          sum.inputs.contains(where: { $0 === value }),
          sum.inputs.contains(where: { $0?.soleNumber == 3 })
        else { continue }
        node.operatorType = "HardSwish"
        node.inputs = [value]
        removed.formUnion([product, clip, sum].map(ObjectIdentifier.init))
        break
      }
    }
    graph.nodes.removeAll { removed.contains(ObjectIdentifier($0)) }
  }

  /// The format's is `relu6(z + 3) / 6`, alpha 1/6 and beta 1/2: with other settings, `z = 6 alpha x
  /// + 6 beta - 3` comes before it, to be folded into a convolution if there is one.
  private static func scaled(_ node: Node, _ graph: Graph) -> [Node] {
    let factor = 6 * (node.float("alpha") ?? 0.2)
    let offset = 6 * (node.float("beta") ?? 0.5) - 3
    var steps: [Node] = []
    func add(_ type: String, _ operand: Float, _ suffix: String) {
      let name = node.displayName + suffix
      let constant = Value(name: name + "_constant")
      constant.initializer = TensorData(float32: [operand], isScalar: true)
      graph.initializers.append(constant)
      let result = Value(name: name)
      steps.append(
        Node(
          name: name, operatorType: type, inputs: [node.inputs[0], constant], outputs: [result]))
      node.inputs[0] = result
    }
    guard !node.inputs.isEmpty else { return [] }
    if abs(factor - 1) > 1e-5 { add("Mul", factor, "_scaled") }
    if abs(offset) > 1e-5 { add("Add", offset, "_shifted") }
    node.setAttribute("alpha", .float(1 / 6))
    node.setAttribute("beta", .float(0.5))
    return steps
  }
}
