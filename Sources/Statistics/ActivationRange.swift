/// The real values that the outermost integers of a tensor stand for.
///
/// lower <= 0 <= upper, both finite, and so is upper - lower: bounds beyond 2^126 are cut there.
public struct ActivationRange: Hashable, Sendable {
  /// What the least integer stands for.
  public let lower: Float
  /// What the greatest integer stands for.
  public let upper: Float

  /// The range that holds these bounds and 0, and for a symmetric grid reaches equally far to both
  /// sides; NaN counts as 0.
  public init(_ first: Float, _ second: Float, grid: IntegerGrid) {
    let bound: Float = 0x1p126
    let below = min(max(0, -first, -second), bound)
    let above = min(max(0, first, second), bound)
    lower = grid.isSymmetric ? 0 - max(below, above) : 0 - below
    upper = grid.isSymmetric ? max(below, above) : above
  }

  /// The part of this range that is left if magnitudes are cut at `threshold`.
  func cut(at threshold: Double, grid: IntegerGrid) -> ActivationRange {
    let bound = Float(threshold)
    return ActivationRange(max(lower, -bound), min(upper, bound), grid: grid)
  }
}
