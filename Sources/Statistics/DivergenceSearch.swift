import CKernels

/// Kullback-Leibler divergences between the bins inside a window, with what lies outside added to
/// the outermost bins, and the same bins merged into groups, for windows that reach equally many
/// bins to both sides of 0.
struct DivergenceSearch {
  private var table: [Double]
  private let count: Int
  private let zero: Int
  private let groups: Int

  /// For bins of these masses, the first `zero` of them below 0, merged into `groups` groups.
  init(masses: [Double], zero: Int, groups: Int) {
    count = masses.count
    self.zero = zero
    self.groups = groups
    table = masses + [Double](repeating: 0, count: 3 * count + 4)
    gs_sum_bins(&table, count)
  }

  /// How far the farther side reaches, in bins.
  var reach: Int { max(zero, count - zero) }

  /// The divergence, in nats, for windows of each number of bins to each side, from 0 to `reach`: see
  /// `gs_divergence`. Infinite where the window has fewer bins than groups, and where something
  /// outside would go to an empty bin.
  ///
  /// - Complexity: O(bins groups), at most 3 ms for 2048 bins and 256 groups.
  func divergences() -> [Double] {
    var divergences = [Double](repeating: .infinity, count: reach + 1)
    guard count >= groups else { return divergences }
    withUnsafeTemporaryAllocation(of: Double.self, capacity: 7 * (groups + 1)) { scratch in
      for bound in divergences.indices {
        let (first, last) = (max(0, zero - bound), min(count, zero + bound))
        guard last - first >= groups else { continue }
        divergences[bound] = gs_divergence(
          table, count, first, last, groups, scratch.baseAddress)
      }
    }
    return divergences
  }
}
