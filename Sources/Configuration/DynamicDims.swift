/// The extents that open axes of inputs may take, as `[1~4],[8]` and `[224,224],[448,448];[...]`.
struct DynamicDims: Hashable {
  /// The choices of each input: an extent for each of its open axes.
  let inputs: [[[Int]]]

  /// More choices than a device compiles.
  private static let choiceLimit = 10_000

  /// Nil where the text isn't a list of brackets with extents and ranges above 0.
  ///
  /// - Complexity: O(text + choices).
  init?(_ text: String) {
    var inputs: [[[Int]]] = []
    for entry in text.split(separator: ";", omittingEmptySubsequences: false) {
      guard let choices = DynamicDims.choices(entry) else { return nil }
      inputs.append(choices)
    }
    self.inputs = inputs
  }

  private static func choices(_ text: Substring) -> [[Int]]? {
    var choices: [[Int]] = []
    var rest = text.drop { $0 == " " }
    while true {
      guard rest.first == "[", let end = rest.firstIndex(of: "]") else { return nil }
      let ranges = rest[rest.index(after: rest.startIndex)..<end]
        .split(separator: ",", omittingEmptySubsequences: false).map(range)
      let known = ranges.compactMap { $0 }
      guard known.count == ranges.count, let expanded = product(known) else { return nil }
      choices += expanded
      guard choices.count <= choiceLimit else { return nil }
      rest = rest[rest.index(after: end)...].drop { $0 == " " }
      if rest.isEmpty { return choices }
      guard rest.first == "," else { return nil }
      rest = rest.dropFirst().drop { $0 == " " }
    }
  }

  private static func range(_ text: Substring) -> ClosedRange<Int>? {
    let ends = text.split(separator: "~", omittingEmptySubsequences: false).map { end in
      Int(end.filter { $0 != " " })
    }
    guard (1...2).contains(ends.count), let first = ends.first ?? nil, let last = ends.last ?? nil,
      first > 0, first <= last, last - first < choiceLimit
    else { return nil }
    return first...last
  }

  /// Every combination, the last extent fastest.
  private static func product(_ ranges: [ClosedRange<Int>]) -> [[Int]]? {
    var result: [[Int]] = [[]]
    for range in ranges {
      guard result.count * range.count <= choiceLimit else { return nil }
      result = result.flatMap { head in range.map { head + [$0] } }
    }
    return result
  }
}
