/// What a key or flag takes as its value.
public enum ValueType: Hashable, Sendable {
  /// One of some words, in any case.
  case word([Word])
  /// A decimal integer.
  case integer(ClosedRange<Int>)
  /// A finite decimal number.
  case real(RealRange)
  /// `true` or `false`, in any case.
  case boolean
  /// Names separated by commas.
  case textList
  /// A path, relative to the working directory.
  case path
  /// `input:directory` pairs separated by commas; the last colon counts.
  case directories
  /// `[1, 2, 3]`: finite numbers.
  case vector
  /// Tensor shapes by name.
  case shapes(ShapeNotation)
  /// Anything.
  case text

  /// A word that is allowed as a value.
  public struct Word: Hashable, Sendable {
    /// The spelling that is printed.
    public var name: String
    /// Other spellings of the same.
    public var aliases: [String] = []
    /// Whether `:` and any text may follow.
    public var takesSuffix = false
  }

  /// A range of real numbers whose ends may be left out.
  public struct RealRange: Hashable, Sendable {
    /// The smaller end.
    public var lower: Double
    /// The larger end.
    public var upper: Double
    /// Whether the ends belong to the range.
    public var includesEnds: Bool

    /// Whether `value` is in the range.
    public func contains(_ value: Double) -> Bool {
      includesEnds
        ? (lower...upper).contains(value) : value > lower && value < upper
    }
  }

  /// How a shape is written.
  public enum ShapeNotation: Hashable, Sendable {
    /// `name:[1,3,-1];name2:[1]`; -1 is any extent.
    case bracketed
    /// `name:1,3,224;name2:1`.
    case plain
  }

  /// Words that are spelt like an enumeration's raw values.
  public static func words<Words: CaseIterable & RawRepresentable<String>>(
    of _: Words.Type, aliases: [String: [String]] = [:]
  ) -> ValueType {
    .word(
      Words.allCases.map { Word(name: $0.rawValue, aliases: aliases[$0.rawValue] ?? []) })
  }

  /// What is allowed, to stand behind "must be".
  public var expectation: String {
    switch self {
    case .word(let words):
      ByteText.alternatives(words.map { $0.takesSuffix ? "\($0.name)[:text]" : $0.name })
    case .integer(let range): "an integer from \(range.lowerBound) to \(range.upperBound)"
    case .real(let range):
      "a number \(range.includesEnds ? "from" : "between") \(decimal(range.lower)) "
        + (range.includesEnds
          ? "to \(decimal(range.upper))" : "and \(decimal(range.upper)), ends excluded")
    case .boolean: "true or false"
    case .textList: "names separated by ','"
    case .path: "a path"
    case .directories: "input:directory pairs separated by ','"
    case .vector: "numbers in brackets such as [127.5, 127.5, 127.5]"
    case .shapes(.bracketed): "shapes such as input:[1,3,224,224];other:[1,-1]"
    case .shapes(.plain): "shapes such as input:1,3,224,224;other:1,16"
    case .text: "text"
    }
  }

  /// Where a comment may begin in such a value.
  var commentRule: CommentRule {
    switch self {
    case .word, .integer, .real, .boolean, .vector: .anywhere
    case .textList, .path, .directories, .shapes, .text: .afterBlank
    }
  }

  /// Whether elements of the value may be quoted one by one.
  var isList: Bool { self == .textList || self == .directories }

  /// Whether an empty value means "not set" rather than a mistake.
  var allowsEmpty: Bool {
    switch self {
    case .textList, .path, .text: true
    default: false
    }
  }

  private func decimal(_ value: Double) -> String { ConfigurationValue.decimal(value) }
}
