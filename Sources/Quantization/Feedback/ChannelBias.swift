import GraphPasses
import ModelGraph

/// The constant that is added to each output channel of an operator with weights, or the place where
/// one can be: there the mean error of rounding is taken out.
public struct ChannelBias {
  /// The node that adds it.
  private let node: Node
  /// Its place among the node's inputs.
  private let input: Int
  /// The constant; nil where there is none yet.
  private let value: Value?
  private let isShared: Bool

  /// Finds the place; nil where the operator has none.
  public init?(_ node: Node, channels: Int, _ uses: GraphUses) {
    if node.isONNX("MatMul") {
      guard let following = FollowingBias(node, channels: channels, uses) else { return nil }
      self.node = following.node
      input = following.input
      value = following.value
    } else {
      guard node.isONNX("Conv") || node.isONNX("Gemm"), FullPlanner.hasUnitFactors(node),
        FullPlanner.hasPlainBias(node, channels: channels)
      else { return nil }
      self.node = node
      input = 2
      value = node.inputs.count > 2 ? node.inputs[2] : nil
    }
    isShared =
      value.map { uses.readers(of: $0).count > 1 || uses.isOutput($0) || $0.isOverridable } ?? false
  }

  /// Adds a number to each channel. A constant that others read too stays as it is for them.
  public func add(_ numbers: [Double], in graph: Graph, named name: String) {
    let old = value?.constant?.float32Values ?? [Float](repeating: 0, count: numbers.count)
    guard old.count == numbers.count else { return }
    let dimensions = value?.constant?.dimensions ?? [numbers.count]
    let sum = zip(old, numbers).map { Float(Double($0) + $1) }
    let data = TensorData(float32: sum, dimensions: dimensions)
    if let value, value.initializer != nil, !isShared {
      value.initializer = data
      return
    }
    let new = Value(name: name)
    new.initializer = data
    graph.initializers.append(new)
    while node.inputs.count <= input { node.inputs.append(nil) }
    node.inputs[input] = new
  }
}
