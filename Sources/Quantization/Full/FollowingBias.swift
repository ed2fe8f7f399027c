import GraphPasses
import ModelGraph

/// The constant that an Add right behind a MatMul adds to each channel: the bias of an operator that
/// has none of its own.
struct FollowingBias {
  /// The Add.
  let node: Node
  /// Where the constant stands among its inputs.
  let input: Int
  /// The constant.
  let value: Value

  /// Finds it; nil where the product has another use, or the constant isn't one float for each
  /// channel.
  init?(_ product: Node, channels: Int, _ uses: GraphUses) {
    guard product.isONNX("MatMul"), case let product?? = product.outputs.first,
      let add = uses.onlyReader(of: product), add.isONNX("Add"), add.inputs.count == 2
    else { return nil }
    input = add.inputs[0] === product ? 1 : 0
    guard let value = add.inputs[input], let constant = value.constant,
      constant.elementType == .float32, constant.elementCount == channels,
      constant.dimensions.last == channels
    else { return nil }
    self.value = value
    node = add
  }
}
