import CKernels

/// Chooses the grid of one channel and rounds its weights onto it.
final class ChannelQuantizer {
  private let recipe: WeightRecipe
  private let inputMeans: [Int32]?
  private let errors: UnsafeMutableBufferPointer<Int32>
  private let scratch: UnsafeMutableBufferPointer<UInt32>
  /// The integers of the channel rounded last.
  let integers: UnsafeMutableBufferPointer<Int32>

  /// A quantizer for channels of up to `capacity` elements.
  init(recipe: WeightRecipe, capacity: Int) {
    self.recipe = recipe
    inputMeans = recipe.roundingMeans
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
    return switch recipe.range {
    case .maxMin: wholeGrid(weights)
    case .fitted: fittedGrid(weights)
    case .meanSquaredError: GridSearch(weights).best(from: wholeGrid(weights))
    }
  }

  /// The grid that reaches the largest and the smallest weight, or the coarser one that loses least to
  /// the limit on pairs.
  func wholeGrid(_ weights: UnsafeBufferPointer<Float>) -> AffineGrid {
    let (minimum, maximum) = range(weights)
    return grid(minimum, maximum, weights)
  }

  private func range(_ weights: UnsafeBufferPointer<Float>) -> (minimum: Float, maximum: Float) {
    var (minimum, maximum): (Float, Float) = (0, 0)
    if let base = weights.baseAddress, !weights.isEmpty {
      gs_range(base, weights.count, &minimum, &maximum)
    }
    return (minimum, maximum)
  }

  private func grid(
    _ minimum: Float, _ maximum: Float, _ weights: UnsafeBufferPointer<Float>
  ) -> AffineGrid {
    let bits = recipe.storage.bits
    var grid =
      recipe.isSymmetric
      ? AffineGrid(symmetric: max(abs(minimum), abs(maximum)), bits: bits)
      : AffineGrid(minimum: minimum, maximum: maximum, bits: bits)
    if let limit = recipe.pairLimit { grid.scale = limit.scale(from: grid.scale, weights) }
    return grid
  }

  // MARK: Fitted ranges

  /// Wider ranges that are tried, and how much wider than the one before each is: so little that the
  /// step hardly grows, but where the weights lie between integers is drawn anew.
  private static let widenings = 7
  private static let widening: Float = 0.0075
  /// Weights of a channel up to which that is worth the time; errors of many add up to about the same
  /// whatever the range.
  private static let mostFitted = 256
  /// Those up to which the balanced errors are compared and not those of rounding to nearest.
  private static let mostBalanced = 64

  /// The grid of the weights' range, or of one a little wider, that rounds with the least error.
  private func fittedGrid(_ weights: UnsafeBufferPointer<Float>) -> AffineGrid {
    let (minimum, maximum) = range(weights)
    var best = grid(minimum, maximum, weights)
    guard weights.count <= ChannelQuantizer.mostFitted, maximum > minimum,
      (2 * maximum - 2 * minimum).isFinite
    else { return best }
    var least = loss(weights, best)
    for step in 1...ChannelQuantizer.widenings {
      let share = 1 + ChannelQuantizer.widening * Float(step)
      let candidate = grid(minimum * share, maximum * share, weights)
      guard candidate.scale.isNormal else { continue }
      let loss = loss(weights, candidate)
      if loss < least { (best, least) = (candidate, loss) }
    }
    return best
  }

  /// The squared error; for few weights with that of their sum under the inputs' means, or under equal
  /// ones where no offset takes it.
  private func loss(_ weights: UnsafeBufferPointer<Float>, _ grid: AffineGrid) -> Double {
    guard let base = weights.baseAddress else { return 0 }
    let count = weights.count
    guard count <= min(ChannelQuantizer.mostBalanced, errors.count), !recipe.shapesNoise else {
      return gs_rounding_error(
        base, count, Double(grid.scale), grid.zeroPoint, grid.lowest, grid.highest)
    }
    round(weights, grid)
    var (squares, sum) = (0.0, 0.0)
    let equal = recipe.storage.hasOffsets ? 0.0 : 1
    let means = inputMeans?.count == count ? inputMeans : nil
    for index in 0..<count {
      let error = Double(errors[index])
      squares += error * error
      sum += error * (means.map { Double($0[index]) / 64 } ?? equal)
    }
    return (squares + sum * sum) * Double(grid.scale) * Double(grid.scale)
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
    if let means = inputMeans {
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
    // An offset takes the mean error of the channel.
    if !recipe.storage.hasOffsets {
      gs_balance(output, errors, weights.count, grid.lowest, grid.highest, scratch)
    }
  }

  /// What the integers make of the weights.
  func moments(_ weights: UnsafeBufferPointer<Float>, zeroPoint: Int32) -> RoundingMoments {
    var moments = RoundingMoments()
    guard let input = weights.baseAddress, let output = integers.baseAddress else { return moments }
    moments.count = weights.count
    gs_moments(
      input, output, weights.count, zeroPoint, &moments.integers, &moments.integerSquares,
      &moments.values, &moments.products, &moments.valueSquares)
    if recipe.weighsScales, let inputMeans, inputMeans.count == weights.count {
      var (values, integers) = (0.0, Int64(0))
      gs_weighted_sums(input, output, inputMeans, weights.count, zeroPoint, &values, &integers)
      let (value, integer) = (values / 64, Double(integers) / 64)
      moments.expected = (value * integer, integer * integer)
    }
    return moments
  }
}
