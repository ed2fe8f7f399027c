/// Chooses a range by the KL method, kept near the least expected squared error.
///
/// Divergence knows nothing of how far clipped values are moved, and alone clips so much at times
/// that a model is ruined. Hence:
///
/// 1. Thresholds of the largest magnitude times 2^(-j/8), j from 0 to 64, cut MAX_MIN's range. Of their
///    expected squared errors the least is found (the first of equals), and the run of neighbours
///    around it with at most twice that and no more than MAX_MIN's.
/// 2. Bins: on a symmetric grid those of magnitudes, to be merged into as many groups as there are
///    integers from 0 up (128 for 8 bits); on an asymmetric one those of values, to be merged into
///    as many groups as integers (256): all of them on one side for one-sided tensors. Zeros are
///    left out, as every grid holds them.
/// 3. For each threshold of i bin widths within the run, `DivergenceSearch` tells how much the groups
///    differ from the bins; where MAX_MIN is in the run, all bins count as a threshold too, of the
///    largest magnitude. Of those within 1e-9 nats of the least, the widest is taken.
/// 4. Where there is none, as with more groups than bins, or where its error is more than step 1
///    allows, the threshold with that least error is taken.
struct DivergenceThreshold {
  let histogram: Histogram
  let error: ExpectedError
  let whole: ActivationRange
  let grid: IntegerGrid

  private static let tie = 1e-9
  private static let allowance = 2.0

  /// MAX_MIN's range, cut at the threshold.
  func range() -> ActivationRange {
    let largest = Double(max(-whole.lower, whole.upper))
    let thresholds = (0...64).map { largest * PowerOfTwo.fraction(8 * $0) }
    let errors = thresholds.map { error.sum(whole.cut(at: $0, grid: grid), grid) }
    guard let least = errors.min(), let best = errors.firstIndex(of: least) else { return whole }
    let most = min(DivergenceThreshold.allowance * least, errors[0])
    let isAllowed = { (error: Double) in error <= most }
    let widest = best - errors[..<best].reversed().prefix(while: isAllowed).count
    let narrowest = best + errors[(best + 1)...].prefix(while: isAllowed).count
    let chosen = threshold(
      from: thresholds[narrowest], through: thresholds[widest], orAll: widest == 0
    ).map { whole.cut(at: $0, grid: grid) }
    if let chosen, isAllowed(error.sum(chosen, grid)) { return chosen }
    return whole.cut(at: thresholds[best], grid: grid)
  }

  /// The threshold with the least divergence within these bounds, where `orAll` with all bins.
  private func threshold(
    from lower: Double, through upper: Double, orAll: Bool
  ) -> Double? {
    let search = search()
    let width = histogram.binWidth
    let first = Int((lower / width).rounded(.up))
    let last = orAll ? search.reach : Int(upper / width)
    guard first <= last else { return nil }
    let divergences = (first...last).map(search.divergence)
    guard let least = divergences.min(), least.isFinite,
      let index = divergences.lastIndex(where: { $0 <= least + DivergenceThreshold.tie })
    else { return nil }
    return min(upper, Double(first + index) * width)
  }

  /// The bins that the method looks at.
  func search() -> DivergenceSearch {
    let positives = histogram.positives.map { Double($0) }
    let negatives = histogram.negatives.map { Double($0) }
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
