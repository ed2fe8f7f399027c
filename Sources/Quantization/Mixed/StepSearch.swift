import CKernels

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

  /// The largest step found whose relative error is at most `target`: the search goes from the step
  /// that would have it if errors were spread evenly, so that it ends on that side of it. The least
  /// step where no other is fine enough, and for weights that are all zero.
  ///
  /// - Complexity: some 20 errors.
  func step(relativeError target: Double) -> Double {
    guard signal > 0 else { return leastStep }
    let rms = (signal / Double(max(1, count))).squareRoot()
    var low = max(leastStep, target * rms * 12.0.squareRoot())
    var high = low
    if relativeError(step: low) <= target {
      let ceiling = 4 * Double(StepSearch.highest) * leastStep
      while high < ceiling, relativeError(step: high) <= target {
        (low, high) = (high, high * 1.25)
      }
    } else {
      while low > leastStep, relativeError(step: low) > target {
        (low, high) = (max(leastStep, low / 1.25), low)
      }
    }
    for _ in 0..<10 where low < high {
      let middle = (low * high).squareRoot()
      if relativeError(step: middle) <= target { low = middle } else { high = middle }
    }
    return low
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
