import Support

/// A section header and where it stands.
struct SectionHeader: Sendable {
  var name: String
  /// Index of the logical line.
  var line: Int
  /// The name's bytes in that line.
  var range: Range<Int>
}

/// A `key=value` below a section header.
struct Assignment: Sendable {
  var section: String
  var key: String
  /// The value as the user wrote it, without quotes, comment and blanks around it.
  var value: String
  /// Index of the logical line.
  var line: Int
  /// The key's bytes in that line.
  var keyRange: Range<Int>
  /// The value's bytes in that line.
  var valueRange: Range<Int>
  /// Whether libiniparser would misread the value, so that it is handed over under a token.
  var needsToken: Bool
}

/// Finds where the headers, keys and values of a text stand, and what isn't one of them.
///
/// A scan never stops at a problem: a malformed line is reported and left out.
struct StatementScanner {
  private(set) var headers: [SectionHeader] = []
  private(set) var assignments: [Assignment] = []
  private(set) var problems: [Diagnostic] = []

  /// More statements and malformed lines than this are an error, as is a longer name.
  static let maximumStatementCount = 10_000
  private static let maximumNameByteCount = 200
  /// libiniparser reads lines of up to 1022 bytes; beyond this a value travels under a token.
  private static let maximumPlainByteCount = 900

  private let text: ConfigurationText
  private var section: String?

  /// Scans all of `text`.
  init(_ text: ConfigurationText) {
    self.text = text
    for index in text.logicalLines.indices {
      let count = headers.count + assignments.count + problems.count
      if count >= Self.maximumStatementCount {
        report(
          "more than \(Self.maximumStatementCount) statements in one file", line: index,
          range: 0..<0)
        break
      }
      scan(line: index)
    }
    if let location = text.danglingContinuation {
      problems.append(
        Diagnostic(
          .configSyntax, "the file ends in a line that wants to go on", location: location,
          notes: [#"a '\' at the end of a line joins it with the next one"#]))
    }
  }

  private mutating func scan(line index: Int) {
    let bytes = text.logicalLines[index].bytes
    let whole = ByteText.trimmed(0..<bytes.count, of: bytes)
    guard let first = bytes[whole].first, !ByteText.isCommentMark(first) else { return }
    if first == UInt8(ascii: "[") {
      scanHeader(bytes, whole, line: index)
    } else {
      scanAssignment(bytes, whole, line: index)
    }
  }

  private mutating func scanHeader(_ bytes: [UInt8], _ whole: Range<Int>, line: Int) {
    let close = bytes[whole].firstIndex(of: UInt8(ascii: "]"))
    if close == nil {
      report("the section header has no ']'", line: line, range: whole)
    } else if let close, let next = bytes[close + 1..<whole.upperBound].first(where: notBlank),
      !ByteText.isCommentMark(next)
    {
      let rest = ByteText.trimmed(close + 1..<whole.upperBound, of: bytes)
      report("text after the section header", line: line, range: rest)
    }
    let end = close ?? bytes[whole].firstIndex(where: ByteText.isCommentMark) ?? whole.upperBound
    let range = ByteText.trimmed(whole.lowerBound + 1..<max(end, whole.lowerBound + 1), of: bytes)
    section = ByteText.string(range, of: bytes)
    if range.isEmpty {
      if close != nil { report("the section header has no name", line: line, range: whole) }
    } else if range.count > Self.maximumNameByteCount {
      report("the section's name is too long", line: line, range: range)
      section = ""
    } else {
      headers.append(SectionHeader(name: section ?? "", line: line, range: range))
    }
  }

  private mutating func scanAssignment(_ bytes: [UInt8], _ whole: Range<Int>, line: Int) {
    guard let equals = equalsSign(bytes, whole) else {
      report(
        "the line is neither a section nor a key with a value", line: line, range: whole,
        label: "expected key=value")
      return
    }
    let keyRange = ByteText.trimmed(whole.lowerBound..<equals, of: bytes)
    if keyRange.isEmpty {
      report("a value without a key", line: line, range: equals..<equals + 1)
      return
    }
    if keyRange.count > Self.maximumNameByteCount {
      report("the key is too long", line: line, range: keyRange)
      return
    }
    let key = ByteText.string(keyRange, of: bytes)
    guard let section else {
      problems.append(
        Diagnostic(
          .keyOutsideSection, "'\(key)' stands before any section",
          location: text.location(text.logicalLines[line], keyRange),
          help: KeyTable.home(of: key).map { "put it below [\($0)]" }
            ?? "put it below a section header such as [\(KeyTable.common)]"))
      return
    }
    if section.isEmpty { return }
    let type = KeyTable.setting(section: section, key: key)?.type ?? .text
    let span = ValueSpan(
      in: bytes, from: equals + 1, to: whole.upperBound, rule: type.commentRule,
      allowsQuotedElements: type.isList)
    if let problem = span.problem {
      report(problem, line: line, range: span.range)
      return
    }
    assignments.append(
      Assignment(
        section: section, key: key, value: ByteText.string(span.range, of: bytes), line: line,
        keyRange: keyRange, valueRange: span.range,
        needsToken: span.needsToken || whole.count > Self.maximumPlainByteCount))
  }

  /// The `=` after the key; none if a comment begins first.
  private func equalsSign(_ bytes: [UInt8], _ whole: Range<Int>) -> Int? {
    for index in whole {
      if bytes[index] == UInt8(ascii: "=") { return index }
      if ByteText.isCommentMark(bytes[index]), index > whole.lowerBound,
        ByteText.isBlank(bytes[index - 1])
      {
        return nil
      }
    }
    return nil
  }

  private func notBlank(_ byte: UInt8) -> Bool { !ByteText.isBlank(byte) }

  private mutating func report(
    _ message: String, line: Int, range: Range<Int>, label: String? = nil
  ) {
    let location = text.location(text.logicalLines[line], range, label: label)
    problems.append(Diagnostic(.configSyntax, message, location: location))
  }
}
