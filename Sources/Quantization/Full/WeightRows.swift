import ModelGraph

/// Which weight of an operator multiplies which input channel for which output channel.
struct WeightRows: Sendable {
  /// Output channels.
  let outputs: Int
  /// Groups of a convolution; 1 for matrix products.
  let groups: Int
  /// Input channels that one output channel sums over.
  let inputs: Int
  /// Weights for each pair of input and output channel.
  let kernel: Int
  private let layout: ChannelLayout

  /// Number of weights.
  var elementCount: Int { outputs * inputs * kernel }

  init(_ operation: IntegerOperation, _ dimensions: [Int]) {
    layout = ChannelLayout(
      dimensions: dimensions, axis: operation.channelAxis, kernelAxis: operation.kernelAxis)
    kernel = operation.kernelAxis == nil ? 1 : max(1, layout.kernel)
    outputs = layout.channels
    inputs = layout.elementsPerChannel / kernel
    let group = operation.node.isONNX("Conv") ? operation.node.int("group") ?? 1 : 1
    groups = max(1, Int(exactly: group) ?? 1)
  }

  /// Calls `body` with the place of each weight of an output channel, and the input channel (among
  /// all groups') that it multiplies.
  @inline(__always)
  func forEach(_ output: Int, _ body: (_ element: Int, _ input: Int) -> Void) {
    let first = output / max(1, outputs / groups) * inputs
    for position in 0..<inputs * kernel {
      let element =
        (position / layout.inner * layout.channels + output) * layout.inner
        + position % layout.inner
      body(element, first + position / kernel)
    }
  }
}
