import ModelGraph

/// Joins two convolutions of one point, one behind the other with nothing between, where the product
/// of their weights is smaller than both.
///
/// With `y = A x + a` and `z = B y + b`: `z = (B A) x + (B a + b)`, computed in double precision. The
/// second convolution stays, and keeps its name.
public struct PointwiseJoining {
  /// A convolution of one point in one group: weights row-major by output channel, and bias.
  private struct Pointwise {
    let weights: [Float]
    let bias: [Float]
    let outputs: Int
    let inputs: Int
    let rank: Int

    /// Nil for any other node, and for weights that aren't float32 constants.
    init?(_ node: Node) {
      guard node.isONNX("Conv"), (node.int("group") ?? 1) == 1, node.outputs.count == 1,
        node.inputs.count >= 2, let value = node.inputs[1], !value.isOverridable,
        let data = value.constant, let weights = data.float32Values, data.dimensions.count >= 3,
        data.dimensions.dropFirst(2).allSatisfy({ $0 == 1 }),
        (node.ints("strides") ?? []).allSatisfy({ $0 == 1 }),
        (node.ints("pads") ?? []).allSatisfy({ $0 == 0 })
      else { return nil }
      self.weights = weights
      outputs = data.dimensions[0]
      inputs = data.dimensions[1]
      rank = data.dimensions.count
      if node.inputs.count > 2, let value = node.inputs[2] {
        guard !value.isOverridable, let bias = value.constant?.float32Values,
          bias.count == outputs
        else { return nil }
        self.bias = bias
      } else {
        bias = Array(repeating: 0, count: outputs)
      }
    }

    /// What this does after `first`; nil where that takes as many weights, or isn't finite.
    func following(_ first: Pointwise) -> (weights: [Float], bias: [Float])? {
      guard inputs == first.outputs, rank == first.rank,
        outputs * first.inputs < weights.count + first.weights.count
      else { return nil }
      var product = [Double](repeating: 0, count: outputs * first.inputs)
      var shift = bias.map(Double.init)
      for output in 0..<outputs {
        for inner in 0..<inputs {
          let factor = Double(weights[output * inputs + inner])
          shift[output] += factor * Double(first.bias[inner])
          for input in 0..<first.inputs {
            product[output * first.inputs + input] +=
              factor * Double(first.weights[inner * first.inputs + input])
          }
        }
      }
      let joined = (product.map { Float($0) }, shift.map { Float($0) })
      return (joined.0 + joined.1).allSatisfy(\.isFinite) ? joined : nil
    }
  }

  /// Joins wherever it can in the main graph.
  ///
  /// - Returns: how many convolutions were joined with the next one.
  /// - Complexity: O(edges + products of the weights).
  @discardableResult
  public static func apply(to graph: Graph) -> Int {
    let uses = GraphUses(graph)
    var removed: Set<ObjectIdentifier> = []
    for node in graph.nodes {
      guard let first = Pointwise(node), let output = node.outputs[0],
        let next = uses.onlyReader(of: output), next.inputs[0] === output,
        let second = Pointwise(next), let joined = second.following(first)
      else { continue }
      let base = (next.inputs[1]?.name ?? next.displayName) + "_joined"
      let extents = [second.outputs, first.inputs] + Array(repeating: 1, count: first.rank - 2)
      next.inputs = [
        node.inputs[0], constant(base, joined.weights, extents, in: graph),
        constant(base + "_bias", joined.bias, [second.outputs], in: graph),
      ]
      removed.insert(ObjectIdentifier(node))
    }
    graph.nodes.removeAll { removed.contains(ObjectIdentifier($0)) }
    UnusedRemoval.removeConstants(from: graph)
    return removed.count
  }

  private static func constant(
    _ base: String, _ values: [Float], _ dimensions: [Int], in graph: Graph
  ) -> Value {
    var name = base
    while graph.initializers.contains(where: { $0.name == name }) { name += "_" }
    let value = Value(name: name)
    value.initializer = TensorData(float32: values, dimensions: dimensions)
    graph.initializers.append(value)
    return value
  }
}
