import Glibc
import Support

/// Finds the largest relative error that keeps a cosine.
///
/// One minus the cosine grows about as the square of the error: each trial looks where that would
/// lead to the wanted cosine, inside the interval that earlier trials leave.
struct StepTuner {
  /// The least cosine.
  let cosine: Double
  /// Most trials.
  let trials: Int

  static let range = 0.0005...0.7
  private static let start = 0.02
  /// The interval is narrow enough when its ends differ by this factor, and an error is large enough
  /// when its cosine says that this factor is left.
  private static let tolerance = 1.04

  struct Result {
    var error: Double
    var cosine: Double
    var isReached: Bool
  }

  /// The largest error found; the smallest that was tried where none is good enough.
  func largestError(
    _ judge: (Double) throws(Failure) -> Double
  ) throws(Failure) -> Result {
    var good: (error: Double, cosine: Double)?
    var bad: (error: Double, cosine: Double)?
    var next = StepTuner.start
    for _ in 0..<max(1, trials) {
      let found = try judge(next)
      if found >= cosine { good = (next, found) } else { bad = (next, found) }
      let low = good?.error ?? StepTuner.range.lowerBound
      let high = bad?.error ?? StepTuner.range.upperBound
      if high / low <= StepTuner.tolerance || next == low && next == high { break }
      let isClose = 1 - found >= (1 - cosine) / (StepTuner.tolerance * StepTuner.tolerance)
      if found >= cosine, isClose { break }
      if good == nil, next == StepTuner.range.lowerBound { break }
      let ratio = ((1 - cosine) / max(1e-9, 1 - found)).squareRoot()
      // A tenth of the interval is left at its ends, so that it shrinks at every trial.
      let margin = pow(high / low, 0.1)
      next = min(max(next * ratio * 0.995, low * margin), high / margin)
      if good == nil, bad != nil, next > high * 0.9 { next = high * 0.7 }
      if good == nil, next < 2 * StepTuner.range.lowerBound { next = StepTuner.range.lowerBound }
    }
    if let good { return Result(error: good.error, cosine: good.cosine, isReached: true) }
    return Result(
      error: bad?.error ?? StepTuner.start, cosine: bad?.cosine ?? 0, isReached: false)
  }
}
