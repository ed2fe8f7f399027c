import CKernels
import ModelGraph
import Support

/// A constant's weights as runs of floats, in the order they lie.
struct WeightRuns {
  let source: TensorData

  private static let runLength = 1 << 16

  /// Lends all weights, run after run. What was mapped of them is given back.
  func forEach(_ body: (UnsafeBufferPointer<Float>) -> Void) {
    guard let bytes = source.packed else { return }
    for start in stride(from: 0, to: source.elementCount, by: WeightRuns.runLength) {
      let run = start..<min(source.elementCount, start + WeightRuns.runLength)
      FloatReader.withFloats(bytes, source.elementType, run, body)
    }
    bytes.release()
  }

  /// Sum of squared errors of rounding to multiples of `step`.
  func noise(step: Double) -> Double {
    var sum = 0.0
    forEach { weights in
      guard let base = weights.baseAddress else { return }
      sum += gs_rounding_error(base, weights.count, step, 0, -32_768, 32_767)
    }
    return sum
  }

  /// Lends the weights of channels, gathered, the given ones in ascending order. What was mapped of
  /// them is given back.
  func forEachChannel(
    _ layout: ChannelLayout, _ channels: [Int], _ body: (Int, UnsafeBufferPointer<Float>) -> Void
  ) {
    guard let bytes = source.packed else { return }
    defer { bytes.release() }
    if layout.outer == 1 {
      for channel in channels {
        let run = channel * layout.inner..<(channel + 1) * layout.inner
        FloatReader.withFloats(bytes, source.elementType, run) { body(channel, $0) }
      }
      return
    }
    FloatReader.withFloats(bytes, source.elementType, 0..<source.elementCount) { floats in
      let rows = ChannelRows(
        layout: layout, firstChannel: 0, floats: floats, elementByteCount: 1)
      var rest = channels[...]
      while let first = rest.first {
        let tile = rest.enumerated().prefix(rows.tile).prefix { $0.element == first + $0.offset }
        rows.gather(first..<first + tile.count)
        for channel in first..<first + tile.count { body(channel, rows.row(channel)) }
        rest = rest.dropFirst(tile.count)
      }
    }
  }
}
