import Glibc
import ModelGraph

/// Chooses factors that spread an activation's channels over the integers.
///
/// One scale for a tensor wastes most integers of channels that are small. Multiplying channel `c`
/// by `f[c]` before rounding and dividing after costs nothing where the maker's weights take up the
/// factor and the readers' weights, or a dequantization by channel, give it back (cross-layer
/// equalization, arXiv 1906.04721; smoothing, arXiv 2211.10438). A reader that sums over channels
/// pays with weights that are harder to round: there the strength with the least expected error is
/// taken.
struct Equalization {
  /// The ranges of the channels that have to be represented, each holding 0.
  let lower: [Float]
  let upper: [Float]
  /// How much farther each channel may reach on data not seen, as a ratio.
  let doubts: [Float]
  /// Mean square of each channel.
  let power: [Double]
  /// Weights of the readers that sum over channels: for each channel, those that multiply it.
  let readers: [SummingReader]
  /// Whether factors cost nothing at run time; else they have to halve the error at least.
  let isFree: Bool

  /// The weights of a reader that sums over channels.
  struct SummingReader {
    /// For each input channel the sum of the squares of its weights.
    let squares: [Double]
    /// For each output channel the largest weight of each input channel.
    let largest: [[Float]]
  }

  /// Channels smaller than the largest by more than this are not stretched further.
  private static let mostStretch: Float = 256
  private static let strengths = [1, 0.75, 0.5, 0.25]

  /// The factors, and the range that the multiplied channels span; nil where none help.
  func factors() -> (values: [Float], lower: Float, upper: Float)? {
    let skew = bestSkew()
    let spans = zip(lower, upper).map { max($1, -$0 / skew) }
    guard let widest = spans.max(), widest > 0, widest.isFinite else { return nil }
    let bounded = zip(spans, doubts).map {
      min(widest, max($0 * $1, widest / Equalization.mostStretch))
    }
    var best: (values: [Float], error: Double)?
    let plain = error(of: spans.map { _ in 1 })
    for strength in readers.isEmpty ? [1] : Equalization.strengths {
      let values = bounded.map { pow(widest / $0, Float(strength)) }
      let error = error(of: values)
      if error < best?.error ?? plain * (isFree ? 0.7 : 0.5) { best = (values, error) }
    }
    guard let values = best?.values else { return nil }
    let span = zip(zip(lower, upper), values).reduce(into: (low: Float(0), high: Float(0))) {
      $0.low = min($0.low, $1.0.0 * $1.1)
      $0.high = max($0.high, $1.0.1 * $1.1)
    }
    return (values, span.low, span.high)
  }

  /// The ratio of negative to positive reach that wastes least when every channel is stretched.
  private func bestSkew() -> Float {
    var best: (skew: Float, error: Double) = (1, .infinity)
    for step in -16...16 {
      let skew = exp2(Float(step) / 4)
      let error = zip(lower, upper).reduce(0.0) { sum, range in
        let span = Double(max(range.1, -range.0 / skew) * (1 + skew))
        return sum + span * span
      }
      if error < best.error { best = (skew, error) }
    }
    return best.skew
  }

  /// The expected squared error at the readers' results, up to a common factor.
  private func error(of factors: [Float]) -> Double {
    var low: Float = 0
    var high: Float = 0
    for (index, factor) in factors.enumerated() {
      low = min(low, lower[index] * factor)
      high = max(high, upper[index] * factor)
    }
    let step = Double(high - low) / 255
    guard !readers.isEmpty else {
      return factors.reduce(0) { $0 + (step / Double($1)) * (step / Double($1)) }
    }
    var total = 0.0
    for reader in readers {
      for (index, factor) in factors.enumerated() {
        let noise = step / Double(factor)
        total += noise * noise * reader.squares[index]
      }
      let energy = zip(factors, power).reduce(0) { $0 + Double($1.0 * $1.0) * $1.1 }
      for row in reader.largest {
        var largest: Float = 0
        for (weight, factor) in zip(row, factors) { largest = max(largest, weight / factor) }
        let noise = Double(largest) / 127
        total += noise * noise * energy
      }
    }
    return total
  }
}
