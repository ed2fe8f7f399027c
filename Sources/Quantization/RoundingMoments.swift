/// Sums over weights `w` and their integers `p`, counted from the zero point: enough to know the
/// error of any scale without looking at the weights again.
struct RoundingMoments {
  /// Number of weights.
  var count = 0
  /// Sum of p.
  var integers: Int64 = 0
  /// Sum of p squared.
  var integerSquares: Int64 = 0
  /// Sum of w.
  var values = 0.0
  /// Sum of w times p.
  var products = 0.0
  /// Sum of w squared.
  var valueSquares = 0.0
  /// Under the inputs' means `m`: each channel's `sum(m w)` times `sum(m p)`, summed over channels; nil
  /// where means aren't known.
  var expected: (products: Double, squares: Double)?

  mutating func add(_ other: RoundingMoments) {
    count += other.count
    integers += other.integers
    integerSquares += other.integerSquares
    values += other.values
    products += other.products
    valueSquares += other.valueSquares
    if let more = other.expected {
      expected = (
        (expected?.products ?? 0) + more.products, (expected?.squares ?? 0) + more.squares
      )
    }
  }

  /// Sum of (w - scale p - offset)^2.
  func squaredError(scale: Double, offset: Double = 0) -> Double {
    let squares = valueSquares - 2 * scale * products + scale * scale * Double(integerSquares)
    let shift = offset * (Double(count) * offset - 2 * (values - scale * Double(integers)))
    return max(0, squares + shift)
  }

  /// A scale under which neither the squared error nor the error that is expected of sums is larger
  /// than under `scale`.
  ///
  /// The squared error is a parabola in the scale around `products / integerSquares`; any scale as
  /// near to that as `scale` is does no worse. Within that span the one is taken that has the least
  /// `sum(e^2) + sum(m e)^2`, or the least mean error where the inputs' means aren't known. `scale`
  /// itself stays where float32 holds nothing better.
  func correctedScale(_ scale: Float) -> Float {
    guard let expected else {
      let unbiased = integers == 0 ? nil : values / Double(integers)
      let bias = { (scale: Double) in abs(values - scale * Double(integers)) }
      return nearest(to: scale, wanted: unbiased, products, Double(integerSquares), loss: bias)
    }
    let wanted = (products + expected.products) / (Double(integerSquares) + expected.squares)
    return nearest(to: scale, wanted: wanted, products, Double(integerSquares)) {
      abs($0 - wanted)
    }
  }

  /// A scale, and the offset that leaves no mean error, under which the squared error isn't larger than
  /// under `scale` with its own such offset; otherwise as `correctedScale`.
  func correctedGrid(_ scale: Float) -> (scale: Float, offset: Float) {
    let size = Double(max(1, count))
    let centredProducts = products - values * Double(integers) / size
    let centredSquares = Double(integerSquares) - Double(integers) * Double(integers) / size
    let wanted =
      (centredProducts + (expected?.products ?? 0)) / (centredSquares + (expected?.squares ?? 0))
    let scale = nearest(to: scale, wanted: wanted, centredProducts, centredSquares) {
      abs($0 - wanted)
    }
    return (scale, Float((values - Double(scale) * Double(integers)) / size))
  }

  /// What is nearest to `wanted`, and no farther from the least squares' scale than `scale` is.
  private func nearest(
    to scale: Float, wanted: Double?, _ products: Double, _ squares: Double,
    loss: (Double) -> Double
  ) -> Float {
    let old = Double(scale)
    guard squares > 0, products > 0 else { return scale }
    let leastSquares = products / squares
    let reach = abs(old - leastSquares)
    let result = Float(
      min(max(wanted ?? leastSquares, leastSquares - reach), leastSquares + reach))
    guard result.isNormal, result > 0, abs(Double(result) - leastSquares) <= reach,
      loss(Double(result)) <= loss(old)
    else { return scale }
    return result
  }
}
