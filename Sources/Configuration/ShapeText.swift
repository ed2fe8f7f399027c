/// Tensor shapes written as text: `x:1,3,224,224;y:1,16`.
public enum ShapeText {
  /// The shapes by name; nil when an entry isn't a name with a list of extents, or a name stands
  /// twice.
  public static func shapes(_ text: String) -> [String: [Int]]? { shapes(text, .plain) }

  /// The same of either notation; -1 is an open extent.
  static func shapes(
    _ text: String, _ notation: ValueType.ShapeNotation
  ) -> [String: [Int]]? {
    var result: [String: [Int]] = [:]
    for entry in ElementList.split(text, separator: ";", keepsQuotes: true) {
      guard let (name, shape) = ElementList.splitAtLastColon(entry.text), !name.isEmpty,
        let extents = extents(of: shape, notation),
        extents.allSatisfy({ isExtent($0, notation) }), result[name] == nil
      else { return nil }
      result[name] = extents.compactMap { Int($0.filter { $0 != " " && $0 != "\t" }) }
    }
    return result.isEmpty ? nil : result
  }

  /// - Throws: the first entry that isn't `name:` and a list of extents.
  static func validate(
    _ text: String, _ notation: ValueType.ShapeNotation, expectation: String
  ) throws(ValueProblem) {
    for entry in ElementList.split(text, separator: ";", keepsQuotes: true) {
      guard let (name, shape) = ElementList.splitAtLastColon(entry.text), !name.isEmpty,
        let extents = extents(of: shape, notation),
        extents.allSatisfy({ isExtent($0, notation) })
      else {
        throw ValueProblem(
          message: "must be \(expectation)", range: entry.range, label: "not a shape")
      }
    }
  }

  private static func extents(
    of shape: String, _ notation: ValueType.ShapeNotation
  ) -> [Substring]? {
    var body = shape[...]
    if notation == .bracketed {
      guard body.hasPrefix("["), body.hasSuffix("]"), body.count >= 2 else { return nil }
      body = body.dropFirst().dropLast()
    }
    return body.split(separator: ",", omittingEmptySubsequences: false)
  }

  private static func isExtent(_ text: Substring, _ notation: ValueType.ShapeNotation) -> Bool {
    let bytes = Array(text.utf8)
    let trimmed = ByteText.trimmed(0..<bytes.count, of: bytes)
    guard let extent = Int(ByteText.string(trimmed, of: bytes)) else { return false }
    return extent >= (notation == .bracketed ? -1 : 0)
  }
}
