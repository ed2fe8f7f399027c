import WeightCoding

/// Integers that were chosen for a tensor's weights already, channel by channel.
public struct RoundedWeights: Sendable {
  /// The grids of each channel's blocks, channel by channel, or one for all.
  public internal(set) var grids: [AffineGrid]
  /// The integers of each channel's weights, in the order of `ChannelRows`.
  var integers: [Int16]
  /// Weights of a channel.
  let elementsPerChannel: Int
  /// Neighbouring weights of a channel that share a grid.
  let blockSize: Int
  /// What rounding adds to each output channel's mean, to be taken from its bias; nil where the bias
  /// stays as it is.
  public internal(set) var meanErrors: [Double]?

  /// The grid of a channel's weight.
  func grid(_ channel: Int, element: Int = 0) -> AffineGrid {
    grids[grids.count == 1 ? 0 : (channel * elementsPerChannel + element) / blockSize]
  }

  /// Puts integers of a channel where a quantizer would have put them.
  func copy(_ channel: Int, _ elements: Range<Int>, to target: UnsafeMutableBufferPointer<Int32>) {
    let start = channel * elementsPerChannel + elements.lowerBound
    for index in 0..<elements.count { target[index] = Int32(integers[start + index]) }
  }
}

extension RoundedWeights {
  /// The floats that the integers stand for, in the tensor's order.
  ///
  /// - Complexity: O(weights).
  func dequantized(_ layout: ChannelLayout) -> [Float] {
    var values = [Float](repeating: 0, count: integers.count)
    for channel in 0..<layout.channels {
      for element in 0..<elementsPerChannel {
        let grid = grid(channel, element: element)
        let place = (element / layout.inner * layout.channels + channel) * layout.inner
        let steps = Int32(integers[channel * elementsPerChannel + element]) - grid.zeroPoint
        values[place + element % layout.inner] = grid.scale * Float(steps)
      }
    }
    return values
  }
}

extension QuantizationPlan {
  /// The plan with what the entropy code really takes where weights were rounded otherwise than the
  /// plan foresaw.
  ///
  /// - Complexity: O(rounded weights).
  public func noting(_ rounded: [Int: RoundedWeights]) -> QuantizationPlan {
    let recipes = quantized.enumerated().map { number, entry in
      var recipe = entry.recipe
      if recipe.packedBits != nil, let weights = rounded[number]?.integers, !weights.isEmpty {
        let counts = IntegerCounts(weights)
        let plain = (counts.bits * weights.count + 7) / 8
        let bytes = min(plain, EntropyCode.byteCount(of: counts.counts) ?? plain)
        recipe.packedBits = Double(bytes) * 8 / Double(weights.count)
      }
      return recipe
    }
    return rounded.isEmpty ? self : replacing(recipes)
  }
}
