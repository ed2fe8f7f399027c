/// Chooses a range by the KL method.
///
/// 1. Bins: on a symmetric grid those of magnitudes, to be merged into as many groups as there are
///    integers from 0 up (128 for 8 bits); on an asymmetric one those of values, to be merged into
///    as many groups as integers (256): all of them on one side for one-sided tensors. Zeros are
///    left out, as every grid holds them.
/// 2. For each threshold of i bins, `DivergenceSearch` tells how much the groups differ from the
///    bins. Of those within 1e-9 nats of the least, the widest counts. The range is MAX_MIN's, cut
///    at i bin widths. Where there are not more bins than groups, it is MAX_MIN's.
/// 3. Guard: divergence knows nothing of how far clipped values are moved. Thresholds of the
///    largest magnitude times 2^(-j/8), j from 0 to 64, are compared by expected squared error. While
///    the range's error is more than twice the least of them, its threshold moves on to the next of
///    these towards the best one.
struct DivergenceThreshold {
  let histogram: Histogram
  let error: ExpectedError
  let whole: ActivationRange
  let grid: IntegerGrid

  private static let tie = 1e-9
  private static let allowance = 2.0

  /// The range after the guard.
  func range() -> ActivationRange {
    let chosen = threshold()
    let thresholds = (0...64).map { largest * PowerOfTwo.fraction(8 * $0) }
    let errors = thresholds.map { error.sum(whole.cut(at: $0, grid: grid), grid) }
    guard let least = errors.min(), let best = errors.firstIndex(of: least) else { return whole }
    let range = whole.cut(at: chosen, grid: grid)
    let allowed = DivergenceThreshold.allowance * least
    if error.sum(range, grid) <= allowed { return range }
    let path =
      chosen < thresholds[best]
      ? thresholds.indices.reversed().filter { thresholds[$0] > chosen }
      : thresholds.indices.filter { thresholds[$0] < chosen }
    let index = path.first { errors[$0] <= allowed } ?? best
    return whole.cut(at: thresholds[index], grid: grid)
  }

  /// The threshold with the least divergence, before the guard.
  func threshold() -> Double {
    let divergences = search().divergences()
    guard let least = divergences.min(), least.isFinite,
      let bins = divergences.lastIndex(where: { $0 <= least + DivergenceThreshold.tie }),
      bins < divergences.count - 1
    else { return largest }
    return Double(bins) * histogram.binWidth
  }

  private var largest: Double { Double(max(-whole.lower, whole.upper)) }

  private func search() -> DivergenceSearch {
    let positives = histogram.positives.map(Double.init)
    let negatives = histogram.negatives.map(Double.init)
    guard grid.isSymmetric else {
      return DivergenceSearch(
        masses: negatives.reversed() + positives, zero: negatives.count, groups: grid.levels)
    }
    var magnitudes = positives.count < negatives.count ? negatives : positives
    for (bin, count) in (positives.count < negatives.count ? positives : negatives).enumerated() {
      magnitudes[bin] += count
    }
    return DivergenceSearch(masses: magnitudes, zero: 0, groups: grid.magnitudes)
  }
}
