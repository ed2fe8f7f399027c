import CKernels
import Glibc

/// Looks for the step of a uniform grid around zero whose rounding error is a wanted share of the
/// weights' norm.
struct StepSearch {
  /// Number of weights.
  let count: Int
  /// Sum of the weights' squares.
  let signal: Double
  /// The least step whose integers fit 16 bits.
  let leastStep: Double
  /// Sum of squared errors of rounding to multiples of a step.
  let noise: (_ step: Double) -> Double

  static let highest = 32_767

  /// The share of the norm that rounding to multiples of `step` misses.
  func relativeError(step: Double) -> Double {
    signal > 0 ? (noise(step) / signal).squareRoot() : 0
  }

  /// The largest step found whose relative error is at most `target`: errors grow about with the step,
  /// so that each trial goes where this leads, between the steps that were too coarse and those fine
  /// enough. It starts where errors spread evenly would have the target, so that it ends on that side
  /// of it. The least step where no other is fine enough, and for weights that are all zero.
  ///
  /// - Complexity: some 5 errors, at most 24.
  func step(relativeError target: Double) -> Double {
    guard signal > 0 else { return leastStep }
    let rms = (signal / Double(max(1, count))).squareRoot()
    let ceiling = 4 * Double(StepSearch.highest) * leastStep
    var low: (step: Double, error: Double)?
    var high: (step: Double, error: Double)?
    var next = max(leastStep, target * rms * 12.0.squareRoot())
    for _ in 0..<24 {
      let error = relativeError(step: next)
      if error <= target {
        low = (next, error)
        if error >= 0.996 * target || next >= ceiling { break }
      } else {
        high = (next, error)
        if next <= leastStep { break }
      }
      switch (low, high) {
      case (let low?, let high?):
        if high.step <= low.step * 1.003 { return low.step }
        let share = log(0.998 * target / low.error) / log(high.error / low.error)
        next =
          low.step * pow(high.step / low.step, share.isFinite ? min(max(share, 0.1), 0.9) : 0.5)
      case (let low?, nil): next = low.step * min(max(0.998 * target / low.error, 1.01), 1.5)
      case (_, let high?):
        next = max(leastStep, high.step * min(max(0.998 * target / high.error, 0.5), 0.99))
      case (nil, nil): break
      }
    }
    return low?.step ?? leastStep
  }
}

extension StepSearch {
  /// A search over finite weights that reads them for each step.
  init(_ weights: UnsafeBufferPointer<Float>) {
    var (least, most): (Float, Float) = (0, 0)
    if let base = weights.baseAddress, !weights.isEmpty {
      gs_range(base, weights.count, &least, &most)
    }
    let largest = max(Double(max(-least, most)), 1e-30)
    self.init(
      count: weights.count,
      signal: weights.reduce(0) { $0 + Double($1) * Double($1) },
      leastStep: largest / Double(StepSearch.highest),
      noise: { step in
        guard let base = weights.baseAddress else { return 0 }
        return gs_rounding_error(base, weights.count, step, 0, -32_768, 32_767)
      })
  }
}
