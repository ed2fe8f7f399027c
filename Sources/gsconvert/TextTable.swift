import Glibc

/// A table in plain text: columns two blanks apart, as wide as their widest cell, cut to the
/// terminal's width by dropping what doesn't fit.
struct TextTable {
  private var rows: [[String]]
  private let rightAligned: Set<Int>

  /// A table with a heading.
  init(_ heading: [String], rightAligned: Set<Int> = []) {
    rows = [heading]
    self.rightAligned = rightAligned
  }

  /// Adds a row with as many cells as the heading.
  mutating func append(_ row: [String]) { rows.append(row) }

  /// The rows as lines without trailing blanks.
  var lines: [String] {
    let columns = rows[0].indices
    let widths = columns.map { column in rows.map { $0[column].count }.max() ?? 0 }
    let shown = TextTable.fitting(widths)
    return rows.map { row in
      var line = ""
      for column in columns.prefix(shown) {
        let padding = String(repeating: " ", count: widths[column] - row[column].count)
        if column > 0 { line += "  " }
        line += rightAligned.contains(column) ? padding + row[column] : row[column] + padding
      }
      while line.last == " " { line.removeLast() }
      return line
    }
  }

  /// How many columns fit; all when standard output isn't a terminal.
  private static func fitting(_ widths: [Int]) -> Int {
    var size = winsize()
    guard isatty(STDOUT_FILENO) == 1, ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0,
      size.ws_col > 0
    else { return widths.count }
    var total = 0
    var count = 0
    for width in widths {
      total += width + 2
      if total > Int(size.ws_col) + 2, count > 1 { break }
      count += 1
    }
    return count
  }
}
