/// How the range of a tensor's values is chosen from its statistics.
public enum RangeMethod: Hashable, Sendable, CaseIterable {
  /// From the smallest to the largest value: nothing is clipped.
  case maxMin
  /// The threshold under which the integers tell most about the distribution, kept from clipping
  /// so much that the error is more than MAX_MIN's: see `DivergenceThreshold`.
  case kullbackLeibler
  /// Without the lowest and the highest ten-thousandth of each sample, averaged over samples; or
  /// without one of the two, or MAX_MIN, where that doesn't take a tenth off MAX_MIN's expected error:
  /// what is cut off there are no outliers. Clipping always errs the same way, which costs results
  /// more than as large an error of rounding.
  case outlierRemoval
  /// The range with the least expected squared error: see `LeastErrorSearch`.
  case auto

  /// How much of MAX_MIN's expected error removing outliers may leave.
  private static let outliersShare = 0.9

  /// What the method needs to know.
  public var request: StatisticsRequest {
    switch self {
    case .maxMin: []
    case .kullbackLeibler, .auto: .histogram
    case .outlierRemoval: [.tails, .histogram]
    }
  }

  /// The range for a tensor with these statistics.
  ///
  /// It always holds 0. A tensor without finite values, or of zeros, has the range 0 to 0; of one
  /// value x, 0 to x or x to 0, to both sides on a symmetric grid, whatever the method. Where
  /// the statistics lack what the method needs, the range is MAX_MIN's. The result doesn't depend
  /// on the order of samples, but for the last bit of the means of outlier removal.
  ///
  /// - Complexity: O(1) for MAX_MIN and outlier removal; some 0.9 ms for AUTO, 0.1 to 0.5 ms for KL (at
  ///   most 4 ms, where nearly all thresholds expect much the same error).
  public func range(of statistics: TensorStatistics, grid: IntegerGrid) -> ActivationRange {
    guard let extremes = statistics.range else { return ActivationRange(0, 0, grid: grid) }
    let whole = ActivationRange(extremes.lowerBound, extremes.upperBound, grid: grid)
    guard self != .maxMin, whole.lower < whole.upper, extremes.lowerBound < extremes.upperBound
    else { return whole }
    guard let histogram = statistics.histogram, let error = ExpectedError(statistics)
    else { return whole }
    switch self {
    case .maxMin: return whole
    case .outlierRemoval:
      guard let tails = statistics.meanTails, tails != 0...0 else { return whole }
      let most = error.sum(whole, grid) * RangeMethod.outliersShare
      return RangeMethod.cuts(extremes, tails).map {
        ActivationRange($0.lowerBound, $0.upperBound, grid: grid)
      }.first { error.sum($0, grid) <= most } ?? whole
    case .auto: return LeastErrorSearch(error: error, whole: whole, grid: grid).best()
    case .kullbackLeibler:
      return DivergenceThreshold(
        histogram: histogram, error: error, whole: whole, grid: grid
      ).range()
    }
  }

  /// Both tails cut off, then the upper one, then the lower one.
  private static func cuts(
    _ extremes: ClosedRange<Float>, _ tails: ClosedRange<Float>
  ) -> [ClosedRange<Float>] {
    let (low, high) = (extremes.lowerBound, extremes.upperBound)
    return [tails, low...max(low, tails.upperBound), min(high, tails.lowerBound)...high]
  }
}
