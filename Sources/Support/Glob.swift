/// A pattern with `*` for any run of characters and `?` for one; everything else is literal.
public struct Glob: Hashable, Sendable {
  /// The pattern's text.
  public let pattern: String

  private let bytes: [UInt8]

  /// Makes a pattern. Any text is valid.
  public init(_ pattern: String) {
    self.pattern = pattern
    bytes = Array(pattern.utf8)
  }

  /// Whether the pattern has no wildcard, so that it matches exactly one name.
  public var isLiteral: Bool {
    !bytes.contains { $0 == UInt8(ascii: "*") || $0 == UInt8(ascii: "?") }
  }

  /// Whether the whole of `name` matches.
  ///
  /// - Complexity: O(pattern x name) at worst, linear without `*`.
  public func matches(_ name: String) -> Bool {
    let text = Array(name.utf8)
    var p = 0
    var t = 0
    var star: (pattern: Int, text: Int)?
    while t < text.count {
      if p < bytes.count, bytes[p] == UInt8(ascii: "*") {
        star = (p, t)
        p += 1
      } else if p < bytes.count, bytes[p] == text[t] || bytes[p] == UInt8(ascii: "?") {
        p += 1
        t += 1
      } else if let mark = star {
        p = mark.pattern + 1
        t = mark.text + 1
        star = (mark.pattern, t)
      } else {
        return false
      }
    }
    while p < bytes.count, bytes[p] == UInt8(ascii: "*") { p += 1 }
    return p == bytes.count
  }
}
