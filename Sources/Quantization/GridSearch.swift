import CKernels

/// Looks for the grid with the least squared rounding error.
///
/// The range is shrunk in steps; for each scale the zero points around the one that centres the
/// range are tried. Then scale (by least squares, integers fixed) and zero point take turns. The
/// result is never worse than the grid it starts from.
struct GridSearch {
  private let weights: UnsafeBufferPointer<Float>

  private static let shrinkSteps = 20
  private static let leastShare = 0.5
  private static let refinements = 3

  /// A search for these finite weights.
  init(_ weights: UnsafeBufferPointer<Float>) { self.weights = weights }

  /// The best grid found.
  ///
  /// - Complexity: O(weights), some 75 passes.
  func best(from start: AffineGrid) -> AffineGrid {
    var best = start
    var least = error(start)
    func consider(_ grid: AffineGrid) {
      guard grid.scale.isNormal, grid.zeroPoint >= grid.lowest, grid.zeroPoint <= grid.highest
      else { return }
      let error = error(grid)
      if error < least { (best, least) = (grid, error) }
    }
    for step in 0...GridSearch.shrinkSteps {
      let share =
        1 - (1 - GridSearch.leastShare) * Double(step) / Double(GridSearch.shrinkSteps)
      var grid = start
      grid.scale = Float(Double(start.scale) * share)
      let centre = start.centredZeroPoint(shrunkTo: share)
      for shift: Int32 in -1...1 {
        grid.zeroPoint = centre + shift
        consider(grid)
      }
    }
    for _ in 0..<GridSearch.refinements {
      let before = best
      consider(refitted(best))
      let centre = best
      for shift: Int32 in [-1, 1] {
        var grid = centre
        grid.zeroPoint += shift
        consider(grid)
      }
      if best == before { break }
    }
    return best
  }

  private func error(_ grid: AffineGrid) -> Double {
    guard let base = weights.baseAddress else { return 0 }
    return gs_rounding_error(
      base, weights.count, Double(grid.scale), grid.zeroPoint, grid.lowest, grid.highest)
  }

  /// The grid with the scale that suits its own integers best.
  private func refitted(_ grid: AffineGrid) -> AffineGrid {
    var products = 0.0
    var squares = 0.0
    guard let base = weights.baseAddress else { return grid }
    gs_refit(
      base, weights.count, Double(grid.scale), grid.zeroPoint, grid.lowest, grid.highest,
      &products, &squares)
    guard products > 0, squares > 0 else { return grid }
    var refitted = grid
    refitted.scale = Float(products / squares)
    return refitted
  }
}

extension AffineGrid {
  /// The zero point that cuts equally much from both ends of the range when the scale shrinks to
  /// `share` of itself.
  func centredZeroPoint(shrunkTo share: Double) -> Int32 {
    let low = Double(lowest - zeroPoint)
    let high = Double(highest - zeroPoint)
    let centre = (low + high) / 2 / share
    let steps = Double(highest - lowest)
    return Int32((Double(lowest) + steps / 2 - centre).rounded(.toNearestOrAwayFromZero))
  }
}
