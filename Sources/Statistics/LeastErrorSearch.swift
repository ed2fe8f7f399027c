/// Looks for the range with the least expected squared error.
///
/// Both bounds shrink by powers of two: a bound is its MAX_MIN value times 2^(-n/64). First all
/// pairs of n from 0 to 512 in steps of 32 are tried, the lower bound's n varying slowest. Then, with
/// steps of 16, 8, 4, 2 and 1, the eight pairs around the best so far are, as long as n >= 0; up to
/// four times with each step, while that helps. On a symmetric grid, or where one bound is 0, both
/// have the same n. A later pair counts as better only if its error is truly less, so that MAX_MIN
/// stays where nothing beats it.
struct LeastErrorSearch {
  let error: ExpectedError
  let whole: ActivationRange
  let grid: IntegerGrid

  private struct Cut: Hashable {
    var below: Int
    var above: Int
  }

  private static let last = 512

  /// The best range found.
  ///
  /// - Complexity: 300 to 450 evaluations of the error for two-sided tensors on asymmetric grids, 30 to
  ///   60 otherwise.
  func best() -> ActivationRange {
    let isCoupled = grid.isSymmetric || whole.lower == 0 || whole.upper == 0
    var best = Cut(below: 0, above: 0)
    var least = error.sum(range(best), grid)
    func consider(_ cut: Cut) {
      guard cut.below >= 0, cut.above >= 0 else { return }
      let candidate = error.sum(range(cut), grid)
      if candidate < least { (best, least) = (cut, candidate) }
    }
    for below in stride(from: 0, through: LeastErrorSearch.last, by: 32) {
      let aboves =
        isCoupled
        ? stride(from: below, through: below, by: 32)
        : stride(from: 0, through: LeastErrorSearch.last, by: 32)
      for above in aboves { consider(Cut(below: below, above: above)) }
    }
    for step in [16, 8, 4, 2, 1] {
      for _ in 0..<4 {
        let centre = best
        for below in [-step, 0, step] {
          for above in isCoupled ? [below] : [-step, 0, step] {
            consider(Cut(below: centre.below + below, above: centre.above + above))
          }
        }
        if best == centre { break }
      }
    }
    return range(best)
  }

  private func range(_ cut: Cut) -> ActivationRange {
    ActivationRange(
      Float(Double(whole.lower) * PowerOfTwo.fraction(cut.below)),
      Float(Double(whole.upper) * PowerOfTwo.fraction(cut.above)), grid: grid)
  }
}
