import CKernels

/// How often weights occur in 65,535 equal bins around zero: from one read, the error and the
/// entropy of every coarser grid.
struct WeightHistogram: Sendable {
  /// Number of weights.
  let count: Int
  /// Sum of the weights' squares, to within a bin.
  let signal: Double
  /// The bins' width.
  let width: Double
  /// The largest magnitude.
  var largest: Double { width * Double(StepSearch.highest) }
  /// Bins that hold weights, ascending, and how many.
  private let bins: [(place: Int32, count: UInt32)]

  private static let binCount = 65_536

  /// Counts finite weights.
  ///
  /// - Parameter forEachRun: lends the weights, run after run; called twice.
  /// - Complexity: O(weights).
  init(_ forEachRun: ((UnsafeBufferPointer<Float>) -> Void) -> Void) {
    var largest: Float = 0
    forEachRun { weights in
      guard let base = weights.baseAddress, !weights.isEmpty else { return }
      var (least, most): (Float, Float) = (0, 0)
      gs_range(base, weights.count, &least, &most)
      largest = max(largest, -least, most)
    }
    let width = max(Double(largest), 1e-30) / Double(StepSearch.highest)
    var table = [UInt32](repeating: 0, count: WeightHistogram.binCount)
    forEachRun { weights in
      guard let base = weights.baseAddress else { return }
      gs_count_rounded(base, weights.count, Float(1 / width), &table)
    }
    bins = table.enumerated().compactMap { place, count in
      count > 0 ? (Int32(place - StepSearch.highest - 1), count) : nil
    }
    count = bins.reduce(0) { $0 + Int($1.count) }
    self.width = width
    signal = bins.reduce(0) { sum, bin in
      let value = Double(bin.place) * width
      return sum + Double(bin.count) * value * value
    }
  }

  /// Sum of squared errors of rounding to multiples of `step`, to within a bin's width.
  ///
  /// - Complexity: O(bins).
  func noise(step: Double) -> Double {
    let ratio = width / step
    var sum = 0.0
    for bin in bins {
      let value = Double(bin.place) * ratio
      let error = value - value.rounded()
      sum += Double(bin.count) * error * error
    }
    return sum * step * step + Double(count) * width * width / 12
  }

  /// How often each multiple of `step` occurs, the least first, those that don't left out.
  func counts(step: Double) -> [Int] {
    let ratio = width / step
    var counts: [Int] = []
    var current = Double.nan
    for bin in bins {
      let multiple = (Double(bin.place) * ratio).rounded()
      if multiple == current {
        counts[counts.count - 1] += Int(bin.count)
      } else {
        counts.append(Int(bin.count))
        current = multiple
      }
    }
    return counts
  }

  /// A search over the bins.
  var search: StepSearch {
    StepSearch(count: count, signal: signal, leastStep: width, noise: noise)
  }
}
