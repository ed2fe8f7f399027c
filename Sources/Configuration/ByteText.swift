/// Small questions about bytes of UTF-8 text.
enum ByteText {
  /// Whether `byte` is what C calls a blank: space, tab, and the line and page controls.
  static func isBlank(_ byte: UInt8) -> Bool { byte == 32 || (9...13).contains(byte) }

  /// Whether `byte` begins a comment: `#` or `;`.
  static func isCommentMark(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: "#") || byte == UInt8(ascii: ";")
  }

  /// Whether `byte` is one of the two quotes.
  static func isQuote(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'")
  }

  /// `range` of `bytes` without the blanks at its ends. Of nothing but blanks, the empty range at
  /// its end.
  static func trimmed(_ range: Range<Int>, of bytes: [UInt8]) -> Range<Int> {
    var lower = range.lowerBound
    var upper = range.upperBound
    while lower < upper, isBlank(bytes[lower]) { lower += 1 }
    while upper > lower, isBlank(bytes[upper - 1]) { upper -= 1 }
    return lower..<upper
  }

  /// The text of `range`.
  static func string(_ range: Range<Int>, of bytes: [UInt8]) -> String {
    String(decoding: bytes[range], as: UTF8.self)
  }

  /// `text` with ASCII capitals made small; all other characters stay.
  static func asciiLowercased(_ text: String) -> String {
    String(decoding: text.utf8.map { (65...90).contains($0) ? $0 + 32 : $0 }, as: UTF8.self)
  }

  /// `a, b or c`.
  static func alternatives(_ words: [String]) -> String { joined(words, last: " or ") }

  /// `a, b and c`.
  static func enumeration(_ words: [String]) -> String { joined(words, last: " and ") }

  private static func joined(_ words: [String], last: String) -> String {
    guard words.count > 1, let tail = words.last else { return words.first ?? "" }
    return words.dropLast().joined(separator: ", ") + last + tail
  }
}
