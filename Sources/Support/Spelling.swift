/// Suggestions for misspelt names.
public enum Spelling {
  /// The candidate nearest to `word`, if it is near enough to be what was meant.
  ///
  /// Distance is the optimal string alignment distance (insertions, deletions, substitutions and
  /// swaps of neighbours), ignoring case; at most a third of the word's length counts as near.
  /// The first of equally near candidates wins.
  ///
  /// - Complexity: O(candidates x word length x candidate length).
  public static func nearest(to word: String, among candidates: some Sequence<String>) -> String? {
    let target = Array(word.lowercased().utf8)
    var best: (distance: Int, name: String)?
    for candidate in candidates {
      let distance = distance(target, Array(candidate.lowercased().utf8))
      if distance <= max(1, target.count / 3), distance < best?.distance ?? .max {
        best = (distance, candidate)
      }
    }
    return best?.name
  }

  private static func distance(_ a: [UInt8], _ b: [UInt8]) -> Int {
    if a.isEmpty || b.isEmpty { return max(a.count, b.count) }
    if abs(a.count - b.count) > max(a.count, b.count) / 2 { return .max }
    var beforePrevious = [Int](repeating: 0, count: b.count + 1)
    var previous = Array(0...b.count)
    for i in 1...a.count {
      var current = [Int](repeating: i, count: b.count + 1)
      for j in 1...b.count {
        let cost = a[i - 1] == b[j - 1] ? 0 : 1
        current[j] = min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + cost)
        if i > 1, j > 1, a[i - 1] == b[j - 2], a[i - 2] == b[j - 1] {
          current[j] = min(current[j], beforePrevious[j - 2] + 1)
        }
      }
      beforePrevious = previous
      previous = current
    }
    return previous[b.count]
  }
}
