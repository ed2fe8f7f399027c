import CKernels
import ModelGraph

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
  /// Bins that hold weights, ascending.
  private let places: [Int32]
  /// How many they hold.
  private let counts: [UInt32]

  private static let binCount = 65_536

  /// Counts a constant's weights.
  ///
  /// - Complexity: O(weights).
  init(source: TensorData) { self.init(WeightRuns(source: source).forEach) }

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
    let kept = table.count { $0 > 0 }
    var counts = [UInt32](repeating: 0, count: kept)
    places = [Int32](unsafeUninitializedCapacity: kept) { places, count in
      guard let base = places.baseAddress else { return }
      count = gs_keep_bins(table, table.count, -Int32(StepSearch.highest) - 1, base, &counts)
    }
    self.counts = counts
    count = counts.reduce(0) { $0 + Int($1) }
    self.width = width
    signal = zip(places, counts).reduce(0) { sum, bin in
      let value = Double(bin.0) * width
      return sum + Double(bin.1) * value * value
    }
  }

  /// Sum of squared errors of rounding to multiples of `step`, to within a bin's width.
  ///
  /// - Complexity: O(bins).
  func noise(step: Double) -> Double {
    let error = gs_bin_error(places, counts, places.count, width / step)
    return error * step * step + Double(count) * width * width / 12
  }

  /// How often each multiple of `step` occurs, the least first, those that don't left out.
  func counts(step: Double) -> [Int] {
    var sums = [Int64](repeating: 0, count: places.count)
    let kept = gs_multiple_counts(places, counts, places.count, width / step, &sums)
    return sums.prefix(kept).map { Int($0) }
  }

  /// A search over the bins.
  var search: StepSearch {
    StepSearch(count: count, signal: signal, leastStep: width, noise: noise)
  }
}
