/// The integers that a range is mapped to.
///
/// A range from lower <= 0 to upper >= 0 is divided into `levels` - 1 equal steps and shifted so that
/// 0 is a step.
public struct IntegerGrid: Hashable, Sendable {
  /// How many integers there are, at least 2.
  public let levels: Int
  /// Whether ranges reach equally far to both sides of 0.
  public let isSymmetric: Bool

  /// A grid of that many integers (less than 2 counts as 2), such as 256 for 8 bits, or 255 for 8
  /// bits symmetric around an integer.
  public init(levels: Int, isSymmetric: Bool) {
    self.levels = max(2, levels)
    self.isSymmetric = isSymmetric
  }

  /// How many integers lie above 0 in a symmetric grid, with 0: the groups into which KL merges
  /// bins of magnitudes.
  var magnitudes: Int { (levels + 1) / 2 }
}
