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
        let first = Layer(maker), second.inputs == first.outputs, !first.isPadded,
        !second.isPadded,
        first.inputs * second.outputs < first.outputs * (first.inputs + second.outputs)
      else { continue }
      install(first, second, in: node, of: graph)
      node.inputs[0] = maker.inputs[0]
      removed.insert(ObjectIdentifier(maker))
    }
    guard !removed.isEmpty else { return }
    graph.nodes.removeAll { removed.contains(ObjectIdentifier($0)) }
    UnusedRemoval.removeConstants(from: graph)
  }

  /// The matrix and the offsets of a convolution of extent 1.
  private struct Layer {
    let weights: [Float]
    let biases: [Float]
    let outputs: Int
    let inputs: Int
    let rank: Int
    /// Whether its input is padded.
    let isPadded: Bool

    init?(_ node: Node) {
      guard node.isONNX("Conv"), node.inputs.count >= 2, node.outputs.count == 1,
        (node.int("group") ?? 1) == 1, node.string("auto_pad") ?? "NOTSET" == "NOTSET",
        node.ints("strides")?.allSatisfy({ $0 == 1 }) ?? true,
        let value = node.inputs[1], !value.isOverridable, let data = value.constant,
        data.dimensions.count >= 3, data.dimensions.dropFirst(2).allSatisfy({ $0 == 1 }),
        let weights = data.float32Values, weights.allSatisfy(\.isFinite)
      else { return nil }
      (outputs, inputs) = (data.dimensions[0], data.dimensions[1])
      self.weights = weights
      rank = data.dimensions.count
      isPadded = node.ints("pads")?.contains { $0 != 0 } ?? false
      guard node.inputs.count > 2, let bias = node.inputs[2] else {
        biases = Array(repeating: 0, count: outputs)
        return
      }
      guard !bias.isOverridable, let values = bias.constant?.float32Values,
        values.count == outputs, values.allSatisfy(\.isFinite)
      else { return nil }
      biases = values
    }
  }

  private static func install(_ first: Layer, _ second: Layer, in node: Node, of graph: Graph) {
    var weights: [Float] = []
    var biases: [Float] = []
    weights.reserveCapacity(second.outputs * first.inputs)
    for output in 0..<second.outputs {
      var row = [Double](repeating: 0, count: first.inputs)
      var bias = Double(second.biases[output])
      for inner in 0..<first.outputs {
        let factor = Double(second.weights[output * second.inputs + inner])
        bias += factor * Double(first.biases[inner])
        let start = inner * first.inputs
        for input in 0..<first.inputs {
          row[input] += factor * Double(first.weights[start + input])
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
