/// Turns diagnostics into text for a person.
public enum DiagnosticRenderer {
  /// The diagnostic as lines, each ended by a newline: message, place with the line shown and
  /// underlined, notes, help.
  public static func render(_ diagnostic: Diagnostic) -> String {
    var text =
      "\(diagnostic.severity.rawValue)[\(diagnostic.code.rawValue)]: \(diagnostic.message)\n"
    var gutter = 1
    if let location = diagnostic.location {
      var place = location.file
      if let line = location.line {
        place += ":\(line)"
        if let column = location.column { place += ":\(column)" }
      }
      gutter = location.line.map { String($0).count } ?? 1
      let margin = String(repeating: " ", count: gutter)
      text += "\(margin)--> \(place)\n"
      if let line = location.line, let lineText = location.lineText {
        text += source(line: line, text: lineText, location: location, margin: margin)
      } else if let label = location.label {
        text += "\(margin) = \(label)\n"
      }
    }
    let margin = String(repeating: " ", count: gutter)
    for note in diagnostic.notes { text += "\(margin) = \(note)\n" }
    if let help = diagnostic.help { text += "\(margin) = help: \(help)\n" }
    return text
  }

  /// The line of text with its underline. Long lines are cut around the place that matters; tabs
  /// and control characters become single blanks so that the underline fits.
  private static func source(
    line: Int, text: String, location: Diagnostic.Location, margin: String
  ) -> String {
    let characters = Array(text.unicodeScalars).map { $0.value < 32 || $0.value == 127 ? " " : $0 }
    let column = scalarOffset(in: text, byteColumn: location.column ?? 1)
    let end = scalarOffset(in: text, byteColumn: (location.column ?? 1) + max(1, location.length))
    let window = 90
    let start = column <= window - 20 ? 0 : column - 20
    let shown = characters[min(start, characters.count)..<min(start + window, characters.count)]
    var shownText = String(String.UnicodeScalarView(shown))
    if start > 0 { shownText = "..." + shownText }
    if start + window < characters.count { shownText += "..." }
    let indent = String(repeating: " ", count: column - start + (start > 0 ? 3 : 0))
    let width = max(1, min(end, start + window) - column)
    let marks = String(repeating: "^", count: width)
    let label = location.label.map { " " + $0 } ?? ""
    return "\(margin) |\n\(line) | \(shownText)\n\(margin) | \(indent)\(marks)\(label)\n"
  }

  private static func scalarOffset(in text: String, byteColumn: Int) -> Int {
    var bytes = 0
    var scalars = 0
    for scalar in text.unicodeScalars {
      if bytes >= byteColumn - 1 { break }
      bytes += UTF8.width(scalar)
      scalars += 1
    }
    return scalars
  }
}
