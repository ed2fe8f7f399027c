import ModelGraph

/// Divides inputs of products by a factor for each channel, as their weights were multiplied by it.
public enum ActivationDivision {
  /// Puts a multiplication by the inverse factors before the first input of each product.
  ///
  /// - Parameter products: nodes of the main graph with the factors of their input's last axis.
  /// - Complexity: O(edges).
  public static func apply(_ products: [(node: Node, factors: [Float])], to model: Model) {
    guard !products.isEmpty else { return }
    var names = UniqueNames(in: model)
    let wanted = Dictionary(
      products.map { (ObjectIdentifier($0.node), $0.factors) }
    ) { first, _ in first }
    model.graph.nodes = model.graph.nodes.flatMap { node -> [Node] in
      guard let factors = wanted[ObjectIdentifier(node)], let input = node.inputs[0] else {
        return [node]
      }
      let inverse = Value(name: names.make(input.name + "_factors"))
      inverse.initializer = TensorData(float32: factors.map { 1 / $0 })
      model.graph.initializers.append(inverse)
      let divided = Value(name: names.make(input.name + "_divided"))
      node.inputs[0] = divided
      return [
        Node(
          name: node.displayName + "_input", operatorType: "Mul", inputs: [input, inverse],
          outputs: [divided]), node,
      ]
    }
  }
}
