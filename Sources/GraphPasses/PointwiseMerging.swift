import ModelGraph

/// Makes one convolution of two of extent 1 in a row with nothing between, where that has fewer
/// weights.
///
/// With `y = V (W x + b) + c`: `V W` and `V b + c`, computed in double precision. The result keeps
/// the second one's names.
public enum PointwiseMerging {
  /// Merges wherever it can in the main graph, from its start on.
  ///
  /// - Complexity: O(edges), and the weights' product of each pair.
  public static func apply(to graph: Graph) {
    let uses = GraphUses(graph)
    var removed: Set<ObjectIdentifier> = []
    for node in graph.nodes {
      guard let second = Layer(node), case let value?? = node.inputs.first,
        let maker = value.producer, uses.onlyReader(of: value) === node,
        let first = Layer(maker), second.inputs == first.outputs,
        first.inputs * second.outputs < first.outputs * (first.inputs + second.outputs),
        let inner = first.numbers(), let outer = second.numbers()
      else { continue }
      install(first, inner, second, outer, in: node, of: graph)
      node.inputs[0] = maker.inputs[0]
      removed.insert(ObjectIdentifier(maker))
    }
    guard !removed.isEmpty else { return }
    graph.nodes.removeAll { removed.contains(ObjectIdentifier($0)) }
    UnusedRemoval.removeConstants(from: graph)
  }

  /// A convolution of extent 1 that neither pads nor leaves out anything.
  private struct Layer {
    let outputs: Int
    let inputs: Int
    let rank: Int
    private let weights: TensorData
    private let bias: TensorData?

    init?(_ node: Node) {
      guard node.isONNX("Conv"), node.inputs.count >= 2, node.outputs.count == 1,
        (node.int("group") ?? 1) == 1, node.string("auto_pad") ?? "NOTSET" == "NOTSET",
        node.ints("strides")?.allSatisfy({ $0 == 1 }) ?? true,
        node.ints("pads")?.allSatisfy({ $0 == 0 }) ?? true,
        let value = node.inputs[1], !value.isOverridable, value.quantized == nil,
        let weights = value.constant,
        weights.elementType == .float32, weights.elementCount > 0, weights.dimensions.count >= 3,
        weights.dimensions.dropFirst(2).allSatisfy({ $0 == 1 })
      else { return nil }
      (outputs, inputs) = (weights.dimensions[0], weights.dimensions[1])
      rank = weights.dimensions.count
      self.weights = weights
      guard node.inputs.count > 2, let bias = node.inputs[2] else {
        self.bias = nil
        return
      }
      guard !bias.isOverridable, bias.quantized == nil, let data = bias.constant,
        data.elementCount == outputs
      else {
        return nil
      }
      self.bias = data
    }

    /// The matrix and the offsets, if they are all finite.
    func numbers() -> (weights: [Float], biases: [Float])? {
      guard let weights = weights.float32Values, weights.allSatisfy(\.isFinite) else { return nil }
      guard let bias else { return (weights, Array(repeating: 0, count: outputs)) }
      guard let biases = bias.float32Values, biases.allSatisfy(\.isFinite) else { return nil }
      return (weights, biases)
    }
  }

  private static func install(
    _ first: Layer, _ inner: (weights: [Float], biases: [Float]), _ second: Layer,
    _ outer: (weights: [Float], biases: [Float]), in node: Node, of graph: Graph
  ) {
    var weights: [Float] = []
    var biases: [Float] = []
    weights.reserveCapacity(second.outputs * first.inputs)
    for output in 0..<second.outputs {
      var row = [Double](repeating: 0, count: first.inputs)
      var bias = Double(outer.biases[output])
      for middle in 0..<first.outputs {
        let factor = Double(outer.weights[output * second.inputs + middle])
        bias += factor * Double(inner.biases[middle])
        let start = middle * first.inputs
        for input in 0..<first.inputs {
          row[input] += factor * Double(inner.weights[start + input])
        }
      }
      weights += row.map { Float($0) }
      biases.append(Float(bias))
    }
    let shape = [second.outputs, first.inputs] + Array(repeating: 1, count: second.rank - 2)
    func constant(_ name: String, _ data: TensorData) -> Value {
      let value = Value(name: name)
      value.initializer = data
      graph.initializers.append(value)
      return value
    }
    let matrix = constant(
      (node.inputs[1]?.name ?? node.displayName) + "_merged",
      TensorData(float32: weights, dimensions: shape))
    let offsets = constant(
      node.displayName + "_merged_bias", TensorData(float32: biases, dimensions: [second.outputs]))
    node.inputs = [node.inputs[0], matrix, offsets]
  }
}
