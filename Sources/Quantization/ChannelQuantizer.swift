import CKernels

/// Chooses the grid of one channel and rounds its weights onto it.
final class ChannelQuantizer {
  private let recipe: WeightRecipe
  private let errors: UnsafeMutableBufferPointer<Int32>
  private let scratch: UnsafeMutableBufferPointer<UInt32>
  /// The integers of the channel rounded last.
  let integers: UnsafeMutableBufferPointer<Int32>

  /// A quantizer for channels of up to `capacity` elements.
  init(recipe: WeightRecipe, capacity: Int) {
    self.recipe = recipe
    integers = .allocate(capacity: capacity)
    let balanced = recipe.round == .squant ? capacity : 0
    errors = .allocate(capacity: balanced)
    scratch = .allocate(capacity: balanced)
  }

  deinit {
    integers.deallocate()
    errors.deallocate()
    scratch.deallocate()
  }

  /// The grid for the weights of a channel, or of the tensor: the recipe's step, or what its range
  /// method chooses.
  func grid(_ weights: UnsafeBufferPointer<Float>, channel: Int = 0) -> AffineGrid {
    if recipe.steps.indices.contains(channel) {
      return AffineGrid(step: recipe.steps[channel], bits: recipe.storage.bits)
    }
    let whole = wholeGrid(weights)
    return switch recipe.range {
    case .maxMin: whole
    case .meanSquaredError: GridSearch(weights).best(from: whole)
    }
  }

  /// The grid that reaches the largest and the smallest weight, or the coarser one that loses least to
  /// the limit on pairs.
  func wholeGrid(_ weights: UnsafeBufferPointer<Float>) -> AffineGrid {
    var minimum: Float = 0
    var maximum: Float = 0
    if let base = weights.baseAddress, !weights.isEmpty {
      gs_range(base, weights.count, &minimum, &maximum)
    }
    let bits = recipe.storage.bits
    var grid =
      recipe.isSymmetric
      ? AffineGrid(symmetric: max(abs(minimum), abs(maximum)), bits: bits)
      : AffineGrid(minimum: minimum, maximum: maximum, bits: bits)
    if let limit = recipe.pairLimit { grid.scale = limit.scale(from: grid.scale, weights) }
    return grid
  }

  /// Rounds the weights into `integers`.
  func round(_ weights: UnsafeBufferPointer<Float>, _ grid: AffineGrid) {
    roundFreely(weights, grid)
    recipe.pairLimit?.limit(integers)
  }

  private func roundFreely(_ weights: UnsafeBufferPointer<Float>, _ grid: AffineGrid) {
    guard let input = weights.baseAddress, let output = integers.baseAddress else { return }
    let scale = Double(grid.scale)
    let zeroPoint = Double(grid.zeroPoint)
    if recipe.shapesNoise {
      gs_quantize_feedback(
        input, weights.count, scale, zeroPoint, grid.lowest, grid.highest, output)
      return
    }
    guard recipe.round == .squant, let errors = errors.baseAddress,
      let scratch = scratch.baseAddress
    else {
      gs_quantize(
        input, weights.count, scale, zeroPoint, grid.lowest, grid.highest, output, nil)
      return
    }
    gs_quantize(
      input, weights.count, scale, zeroPoint, grid.lowest, grid.highest, output, errors)
    if let means = recipe.inputMeans {
      gs_balance_means(
        output, errors, means, weights.count, grid.lowest, grid.highest)
      return
    }
    let kernel = recipe.layout.kernel
    if kernel > 1, kernel < weights.count {
      var start = 0
      while start + kernel <= weights.count {
        gs_balance(
          output + start, errors + start, kernel, grid.lowest, grid.highest, scratch)
        start += kernel
      }
    }
    gs_balance(output, errors, weights.count, grid.lowest, grid.highest, scratch)
  }

  /// What the integers make of the weights.
  func moments(_ weights: UnsafeBufferPointer<Float>, zeroPoint: Int32) -> RoundingMoments {
    var moments = RoundingMoments()
    guard let input = weights.baseAddress, let output = integers.baseAddress else { return moments }
    gs_moments(
      input, output, weights.count, zeroPoint, &moments.integers, &moments.integerSquares,
      &moments.values, &moments.products, &moments.valueSquares)
    return moments
  }
}

/// Sums over weights `w` and their integers `p`, counted from the zero point: enough to know the
/// error of any scale without looking at the weights again.
struct RoundingMoments {
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

  mutating func add(_ other: RoundingMoments) {
    integers += other.integers
    integerSquares += other.integerSquares
    values += other.values
    products += other.products
    valueSquares += other.valueSquares
  }

  /// Sum of (w - scale p)^2.
  func squaredError(scale: Double) -> Double {
    max(0, valueSquares - 2 * scale * products + scale * scale * Double(integerSquares))
  }

  /// A scale under which neither the squared error nor the mean error is larger than under
  /// `scale`.
  ///
  /// The squared error is a parabola in the scale around `products / integerSquares`; any scale as
  /// near to that as `scale` is does no worse. Within that span the one with the least mean error
  /// is taken. `scale` itself stays where float32 holds nothing better.
  func correctedScale(_ scale: Float) -> Float {
    let old = Double(scale)
    guard integerSquares > 0, products > 0 else { return scale }
    let leastSquares = products / Double(integerSquares)
    let reach = abs(old - leastSquares)
    let unbiased = integers == 0 ? leastSquares : values / Double(integers)
    let wanted = Float(min(max(unbiased, leastSquares - reach), leastSquares + reach))
    let bias = { (scale: Double) in abs(values - scale * Double(integers)) }
    guard wanted.isNormal, wanted > 0, abs(Double(wanted) - leastSquares) <= reach,
      bias(Double(wanted)) <= bias(old)
    else { return scale }
    return wanted
  }
}
