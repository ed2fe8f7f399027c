import ModelGraph

/// Banks of long filters over one waveform, such as a Fourier or constant-Q transform.
///
/// Their input has no mean to balance errors against, but most of its energy at low frequencies;
/// their results span many orders of magnitude.
enum FilterBank {
  /// The shortest filter that counts as long.
  private static let leastLength = 64

  /// Whether a node filters one channel of a waveform with several long filters. What a lone one
  /// makes is a waveform again (a resampler's, mostly), all of whose frequencies matter.
  static func isFilterBank(_ node: Node, weights: TensorData) -> Bool {
    filtersWaveform(node, weights: weights) && weights.dimensions[0] > 1
  }

  /// Whether a node filters one channel of a waveform with long filters, or with one.
  static func filtersWaveform(_ node: Node, weights: TensorData) -> Bool {
    guard node.isONNX("Conv"), (node.int("group") ?? 1) == 1, weights.dimensions.count >= 3,
      weights.dimensions[1] == 1
    else { return false }
    let kernel = weights.dimensions.dropFirst(2).filter { $0 != 1 }
    return kernel.count == 1 && kernel[kernel.startIndex] >= leastLength
  }
}
