/// Splits lists whose elements may be quoted.
enum ElementList {
  /// The elements between commas, without the blanks and quotes around them. Empty ones are left
  /// out. A separator between quotes doesn't separate.
  static func split(
    _ text: String, separator: Unicode.Scalar = ",", keepsQuotes: Bool = false
  ) -> [ConfigurationValue.Element] {
    let bytes = Array(text.utf8)
    let mark = UInt8(ascii: separator)
    var elements: [ConfigurationValue.Element] = []
    var start = 0
    while start <= bytes.count {
      let end = elementEnd(bytes, from: start, separator: mark)
      let range = ByteText.trimmed(start..<end, of: bytes)
      let content = keepsQuotes ? range : withoutQuotes(range, of: bytes)
      if !content.isEmpty {
        elements.append(.init(text: ByteText.string(content, of: bytes), range: content))
      }
      start = end + 1
    }
    return elements
  }

  /// `name` and `directory` of `name:directory`, each without blanks and quotes. The last colon
  /// outside quotes separates; nil without one.
  static func splitAtLastColon(_ text: String) -> (String, String)? {
    let bytes = Array(text.utf8)
    let limit: Int
    if let last = bytes.last, ByteText.isQuote(last),
      let opening = bytes.dropLast().lastIndex(of: last)
    {
      limit = opening
    } else {
      limit = bytes.count
    }
    guard let colon = bytes[..<limit].lastIndex(of: UInt8(ascii: ":")) else { return nil }
    let name = withoutQuotes(ByteText.trimmed(0..<colon, of: bytes), of: bytes)
    let path = withoutQuotes(ByteText.trimmed(colon + 1..<bytes.count, of: bytes), of: bytes)
    return (ByteText.string(name, of: bytes), ByteText.string(path, of: bytes))
  }

  private static func elementEnd(_ bytes: [UInt8], from start: Int, separator: UInt8) -> Int {
    var quote: UInt8?
    var previous = separator
    for index in start..<bytes.count {
      let byte = bytes[index]
      if quote == byte {
        quote = nil
      } else if quote == nil {
        if byte == separator { return index }
        let mayOpen = previous == separator || previous == UInt8(ascii: ":")
        if mayOpen, ByteText.isQuote(byte), bytes[(index + 1)...].contains(byte) { quote = byte }
      }
      if !ByteText.isBlank(byte) { previous = byte }
    }
    return bytes.count
  }

  private static func withoutQuotes(_ range: Range<Int>, of bytes: [UInt8]) -> Range<Int> {
    guard range.count >= 2, let first = bytes[range].first, ByteText.isQuote(first),
      bytes[range].last == first
    else { return range }
    return range.lowerBound + 1..<range.upperBound - 1
  }
}
