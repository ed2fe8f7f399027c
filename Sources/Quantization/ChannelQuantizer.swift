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
