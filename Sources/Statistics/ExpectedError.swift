import CKernels

/// The squared error that quantizing a tensor is expected to make, from its histogram.
///
/// The values of a bin are taken as spread evenly over it, those of the outermost bin of each side as
/// far as the smallest or largest value. Rounding and clipping errors are integrated exactly under
/// that assumption: for u steps from 0, n = min(rint(u), integers on that side), the integral of the
/// squared error from 0 to u is n / 12 + (u - n)^3 / 3 squared steps. Where steps are far wider than
/// bins this sees what rounds to 0; where they are narrower it tends to a twelfth of a squared step.
/// Zeros cost nothing.
public struct ExpectedError: Sendable {
  private let positives: Side
  private let negatives: Side
  private let binWidth: Double
  private let count: Int

  private struct Side: Sendable {
    let counts: [Double]
    let end: Double

    init(_ counts: [UInt64], extreme: Float, binWidth: Double) {
      self.counts = counts.map { Double($0) }
      end = max(Double(extreme), (Double(counts.count) - 1 + 0x1p-10) * binWidth)
    }
  }

  /// The error for a tensor; nil if its histogram was not gathered. A tensor without finite values
  /// has none.
  public init?(_ statistics: TensorStatistics) {
    guard let histogram = statistics.histogram else { return nil }
    let range = statistics.range ?? 0...0
    binWidth = histogram.binWidth
    positives = Side(histogram.positives, extreme: range.upperBound, binWidth: binWidth)
    negatives = Side(histogram.negatives, extreme: -range.lowerBound, binWidth: binWidth)
    count = statistics.finiteCount
  }

  /// The expected sum of squared errors, in the tensor's own squared units.
  ///
  /// With step = (upper - lower) / (levels - 1), there are round(-lower / step) integers below 0,
  /// halves away from zero.
  ///
  /// - Complexity: O(bins), about 1 microsecond.
  public func sum(_ range: ActivationRange, _ grid: IntegerGrid) -> Double {
    let steps = Double(grid.levels - 1)
    let width = Double(range.upper) - Double(range.lower)
    let step = width > 0 ? width / steps : binWidth
    let below =
      width > 0 ? (-Double(range.lower) / step).rounded(.toNearestOrAwayFromZero) : 0
    let above = width > 0 ? steps - below : 0
    return sum(positives, step, above) + sum(negatives, step, below)
  }

  /// The mean over finite elements of the expected squared error; 0 if there are none.
  public func mean(_ range: ActivationRange, _ grid: IntegerGrid) -> Double {
    count > 0 ? sum(range, grid) / Double(count) : 0
  }

  private func sum(_ side: Side, _ step: Double, _ most: Double) -> Double {
    let bins = side.counts.count
    return withUnsafeTemporaryAllocation(of: Double.self, capacity: bins) { scratch in
      gs_histogram_error(
        side.counts, bins, binWidth / step, side.end / step, most, scratch.baseAddress)
    } * step * step
  }
}
