/// A value that has the type its key asks for.
public enum ConfigurationValue: Hashable, Sendable {
  /// A word in the spelling of the table.
  case word(String)
  /// An integer.
  case integer(Int)
  /// A finite number.
  case real(Double)
  /// True or false.
  case boolean(Bool)
  /// Names, each with its place in the value's bytes.
  case textList([Element])
  /// A path.
  case path(String)
  /// Directories by input name.
  case directories([Directory])
  /// Finite numbers.
  case vector([Double])
  /// Any text.
  case text(String)

  /// One name of a list.
  public struct Element: Hashable, Sendable {
    /// The name without blanks and quotes around it.
    public var text: String
    /// Its place in the bytes of the whole value.
    public var range: Range<Int>
  }

  /// One `input:directory` pair.
  public struct Directory: Hashable, Sendable {
    /// The model input's name.
    public var input: String
    /// The directory as written.
    public var path: String
    /// Place of the pair in the bytes of the whole value.
    public var range: Range<Int>
  }

  /// The value as it can be written in a file.
  public var text: String {
    switch self {
    case .word(let text), .path(let text), .text(let text): text
    case .integer(let value): String(value)
    case .real(let value): Self.decimal(value)
    case .boolean(let value): String(value)
    case .textList(let elements): elements.map(\.text).joined(separator: ",")
    case .directories(let pairs):
      pairs.map { "\($0.input):\($0.path)" }.joined(separator: ",")
    case .vector(let numbers):
      "[" + numbers.map(Self.decimal).joined(separator: ", ") + "]"
    }
  }

  /// The shortest decimal text that reads back as `value`, without a needless `.0`.
  static func decimal(_ value: Double) -> String {
    let text = String(value)
    return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
  }
}
