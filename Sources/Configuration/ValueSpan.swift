/// Where a comment may begin inside a value.
enum CommentRule: Sendable {
  /// At any `#` or `;`.
  case anywhere
  /// At a `#` or `;` behind a blank; others belong to the value.
  case afterBlank
}

/// Which bytes of a line are the value.
struct ValueSpan {
  /// The value without quotes, comment and blanks around it; with a `problem`, the place of it.
  var range: Range<Int>
  /// Whether libiniparser would read these bytes differently.
  var needsToken = false
  /// Why there is no value.
  var problem: String?

  /// Finds the value in `bytes[start..<end]`, the text behind the `=`.
  init(
    in bytes: [UInt8], from start: Int, to end: Int, rule: CommentRule, allowsQuotedElements: Bool
  ) {
    let content = ByteText.trimmed(start..<max(start, end), of: bytes)
    range = content
    if let quote = bytes[content].first, ByteText.isQuote(quote) {
      let opening = content.lowerBound
      let closing = bytes[opening + 1..<content.upperBound].firstIndex(of: quote)
      if let closing {
        let rest = ByteText.trimmed(closing + 1..<content.upperBound, of: bytes)
        if rest.isEmpty || ByteText.isCommentMark(bytes[rest.lowerBound]) {
          range = opening + 1..<closing
          return
        }
        if !allowsQuotedElements {
          range = rest
          problem = "text after the closing quote"
          return
        }
      } else if !allowsQuotedElements {
        problem = "the quote is not closed"
        return
      }
      needsToken = true
    }
    let cut = content.first { index in
      ByteText.isCommentMark(bytes[index])
        && (rule == .anywhere || (index > start && ByteText.isBlank(bytes[index - 1])))
    }
    range = ByteText.trimmed(content.lowerBound..<(cut ?? content.upperBound), of: bytes)
    needsToken = needsToken || bytes[range].contains(where: ByteText.isCommentMark)
  }
}
