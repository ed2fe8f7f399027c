/// A JSON text to be written. Objects keep the order of their members.
public indirect enum JSONValue: Sendable {
  case object([(String, JSONValue)])
  case array([JSONValue])
  case string(String)
  case integer(Int)
  /// A number; one that isn't finite is written as `null`.
  case number(Double)
  case bool(Bool)
  case null

  /// The text, on one line.
  public var text: String {
    var out = ""
    write(to: &out)
    return out
  }

  private func write(to out: inout String) {
    switch self {
    case .object(let members):
      out += "{"
      for (index, member) in members.enumerated() {
        if index > 0 { out += "," }
        JSONValue.write(member.0, to: &out)
        out += ":"
        member.1.write(to: &out)
      }
      out += "}"
    case .array(let elements):
      out += "["
      for (index, element) in elements.enumerated() {
        if index > 0 { out += "," }
        element.write(to: &out)
      }
      out += "]"
    case .string(let text): JSONValue.write(text, to: &out)
    case .integer(let number): out += String(number)
    case .number(let number):
      out += number.isFinite ? NumberText.significant(number, 9) : "null"
    case .bool(let value): out += value ? "true" : "false"
    case .null: out += "null"
    }
  }

  private static func write(_ text: String, to out: inout String) {
    out += "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": out += "\\\""
      case "\\": out += "\\\\"
      case "\n": out += "\\n"
      case "\r": out += "\\r"
      case "\t": out += "\\t"
      case _ where scalar.value < 0x20:
        let digits = String(scalar.value, radix: 16)
        out += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: out.unicodeScalars.append(scalar)
      }
    }
    out += "\""
  }
}

extension Diagnostic {
  /// The diagnostic's facts under stable names.
  public var json: JSONValue {
    var members: [(String, JSONValue)] = [
      ("event", .string("diagnostic")), ("severity", .string(severity.rawValue)),
      ("code", .string(code.rawValue)), ("message", .string(message)),
    ]
    if let location {
      members.append(("file", .string(location.file)))
      if let line = location.line { members.append(("line", .integer(line))) }
      if let column = location.column { members.append(("column", .integer(column))) }
      if let label = location.label { members.append(("label", .string(label))) }
    }
    if !notes.isEmpty { members.append(("notes", .array(notes.map { .string($0) }))) }
    if let help { members.append(("help", .string(help))) }
    return .object(members)
  }
}
