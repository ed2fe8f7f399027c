import Support

/// A configuration file as lines whose every byte knows where it stands.
///
/// A byte-order mark is dropped; LF, CRLF and a lone CR end a line. A line that ends in `\` goes on
/// in the next one, except a comment.
struct ConfigurationText: Sendable {
  /// One statement's text, perhaps of several lines of the file.
  struct LogicalLine: Sendable {
    /// A run of bytes that stands in one line of the file.
    struct Piece: Sendable {
      /// Where the run begins in the logical line.
      var offset: Int
      /// Index of the line of the file.
      var line: Int
    }

    var bytes: [UInt8]
    var pieces: [Piece]
  }

  let fileName: String
  /// The lines of the file, without their ends.
  let lines: [String]
  /// The lines joined where they continue.
  let logicalLines: [LogicalLine]
  /// Where the file ends in the middle of a continued line.
  let danglingContinuation: Diagnostic.Location?

  /// Splits `bytes` into lines.
  ///
  /// - Throws: `configSyntax` for text that isn't UTF-8 or holds a NUL.
  init(bytes: [UInt8], fileName: String) throws(Failure) {
    if bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF]) {
      throw Failure(
        .configSyntax, "the file is UTF-16 text", location: .init(file: fileName),
        help: "save it as UTF-8")
    }
    let start = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
    let lines = Self.split(bytes[start...])
    for (index, line) in lines.enumerated() {
      if let column = Self.firstForeignByte(of: line) {
        let isNul = line[line.startIndex + column] == 0
        throw Failure(
          .configSyntax,
          isNul ? "the file holds a NUL byte; it is not text" : "the file is not UTF-8 text",
          location: .init(file: fileName, line: index + 1, column: column + 1),
          help: isNul ? nil : "save it as UTF-8")
      }
    }
    self.fileName = fileName
    let lineTexts = lines.map { String(decoding: $0, as: UTF8.self) }
    self.lines = lineTexts
    var dangling: Int?
    logicalLines = Self.join(lines, dangling: &dangling)
    danglingContinuation = dangling.map { index in
      .init(
        file: fileName, line: index + 1, column: max(1, lines[index].count),
        lineText: lineTexts[index])
    }
  }

  /// Where `range` of a logical line stands in the file. A range over several lines is shown up to
  /// the end of its first.
  func location(_ line: LogicalLine, _ range: Range<Int>, label: String? = nil)
    -> Diagnostic.Location
  {
    let index = Self.pieceIndex(at: range.lowerBound, in: line.pieces)
    let piece = line.pieces[index]
    let isLast = index + 1 == line.pieces.count
    let end = isLast ? line.bytes.count : line.pieces[index + 1].offset
    return .init(
      file: fileName, line: piece.line + 1, column: range.lowerBound - piece.offset + 1,
      length: max(1, min(range.upperBound, end) - range.lowerBound), lineText: lines[piece.line],
      label: label)
  }

  /// The last piece that begins at or before `offset`.
  private static func pieceIndex(at offset: Int, in pieces: [LogicalLine.Piece]) -> Int {
    var lower = 0
    var upper = pieces.count
    while upper - lower > 1 {
      let middle = (lower + upper) / 2
      if pieces[middle].offset <= offset { lower = middle } else { upper = middle }
    }
    return lower
  }

  private static func split(_ bytes: ArraySlice<UInt8>) -> [ArraySlice<UInt8>] {
    var lines: [ArraySlice<UInt8>] = []
    var start = bytes.startIndex
    var index = start
    while index < bytes.endIndex {
      let byte = bytes[index]
      if byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r") {
        lines.append(bytes[start..<index])
        let isPair =
          byte == UInt8(ascii: "\r") && index + 1 < bytes.endIndex
          && bytes[index + 1] == UInt8(ascii: "\n")
        index += isPair ? 2 : 1
        start = index
      } else {
        index += 1
      }
    }
    if start < bytes.endIndex { lines.append(bytes[start...]) }
    return lines
  }

  private static func join(_ lines: [ArraySlice<UInt8>], dangling: inout Int?) -> [LogicalLine] {
    var joined: [LogicalLine] = []
    var current: LogicalLine?
    for (index, line) in lines.enumerated() {
      let isContinued = current != nil
      var logical = current ?? LogicalLine(bytes: [], pieces: [])
      current = nil
      logical.pieces.append(.init(offset: logical.bytes.count, line: index))
      let first = line.first { !ByteText.isBlank($0) }
      let isComment = !isContinued && first.map(ByteText.isCommentMark) == true
      let last = line.lastIndex { !ByteText.isBlank($0) }
      if !isComment, let last, line[last] == UInt8(ascii: "\\") {
        logical.bytes += line[..<last]
        current = logical
      } else {
        logical.bytes += line
        joined.append(logical)
      }
    }
    if let current {
      joined.append(current)
      dangling = lines.count - 1
    }
    return joined
  }

  /// Index of the first byte that is NUL or not part of valid UTF-8.
  private static func firstForeignByte(of line: ArraySlice<UInt8>) -> Int? {
    if line.allSatisfy({ $0 != 0 && $0 < 128 }) { return nil }
    var decoder = UTF8()
    var iterator = line.makeIterator()
    var valid = 0
    while true {
      switch decoder.decode(&iterator) {
      case .emptyInput: return nil
      case .error: return valid
      case .scalarValue(let scalar):
        if scalar.value == 0 { return valid }
        valid += UTF8.width(scalar)
      }
    }
  }
}
