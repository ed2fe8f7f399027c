import CKernels
import ModelGraph
import Support

/// A constant's weights as runs of floats, in the order they lie.
struct WeightRuns {
  let source: TensorData

  private static let runLength = 1 << 20

  /// Lends all weights, run after run.
  func forEach(_ body: (UnsafeBufferPointer<Float>) -> Void) {
    guard let bytes = source.packed else { return }
    for start in stride(from: 0, to: source.elementCount, by: WeightRuns.runLength) {
      let run = start..<min(source.elementCount, start + WeightRuns.runLength)
      FloatReader.withFloats(bytes, source.elementType, run, body)
    }
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

  /// Lends every channel's weights, gathered, the given ones in ascending order.
  func forEachChannel(
    _ layout: ChannelLayout, _ channels: [Int], _ body: (Int, UnsafeBufferPointer<Float>) -> Void
  ) {
    guard let bytes = source.packed else { return }
    FloatReader.withFloats(bytes, source.elementType, 0..<source.elementCount) { floats in
      let rows = ChannelRows(
        layout: layout, firstChannel: 0, floats: floats, elementByteCount: 1)
      for channel in channels {
        rows.gather(channel..<channel + 1)
        body(channel, rows.row(channel))
      }
    }
  }
}
