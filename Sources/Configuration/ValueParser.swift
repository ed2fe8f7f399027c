import Support

/// Reads the text of a value as the type its key asks for.
enum ValueParser {
  private static let maximumNameCount = 100_000

  /// The value that `text` stands for.
  ///
  /// - Throws: what is wrong with it; an empty text is wrong here, whatever the type.
  static func parse(_ text: String, as type: ValueType) throws(ValueProblem) -> ConfigurationValue {
    if text.isEmpty { throw ValueProblem(message: "has no value; it must be \(type.expectation)") }
    switch type {
    case .word(let words): return .word(try word(text, words, type))
    case .integer(let range): return .integer(try integer(text, range, type))
    case .real(let range): return .real(try real(text, range, type))
    case .boolean: return .boolean(try boolean(text))
    case .textList: return .textList(try names(text))
    case .path: return .path(text)
    case .directories: return .directories(try directories(text))
    case .vector: return .vector(try vector(text, type))
    case .shapes(let notation):
      try ShapeText.validate(text, notation, expectation: type.expectation)
      return .text(text)
    case .text: return .text(text)
    }
  }

  private static func word(
    _ text: String, _ words: [ValueType.Word], _ type: ValueType
  ) throws(ValueProblem) -> String {
    let lowercased = ByteText.asciiLowercased(text)
    for word in words {
      let spellings = ([word.name] + word.aliases).map(ByteText.asciiLowercased)
      if spellings.contains(lowercased) { return word.name }
      if word.takesSuffix, lowercased.hasPrefix(spellings[0] + ":") { return text }
    }
    let nearest = Spelling.nearest(to: text, among: words.map(\.name))
    throw ValueProblem(
      message: "must be \(type.expectation), not '\(shortened(text))'",
      label: nearest.map { "did you mean '\($0)'?" })
  }

  private static func integer(
    _ text: String, _ range: ClosedRange<Int>, _ type: ValueType
  ) throws(ValueProblem) -> Int {
    let value = Int(text)
    if let value, range.contains(value) { return value }
    let digits = text.utf8.dropFirst(text.hasPrefix("-") || text.hasPrefix("+") ? 1 : 0)
    let isInteger = !digits.isEmpty && digits.allSatisfy { (48...57).contains($0) }
    throw ValueProblem(
      code: isInteger ? .valueOutOfRange : .badValue,
      message: isInteger
        ? "must be from \(range.lowerBound) to \(range.upperBound), not \(shortened(text))"
        : "must be \(type.expectation), not '\(shortened(text))'")
  }

  private static func real(
    _ text: String, _ range: ValueType.RealRange, _ type: ValueType
  ) throws(ValueProblem) -> Double {
    let value = decimal(text)
    if let value, range.contains(value) { return value }
    throw ValueProblem(
      code: value == nil ? .badValue : .valueOutOfRange,
      message: "must be \(type.expectation), not '\(shortened(text))'")
  }

  private static func boolean(_ text: String) throws(ValueProblem) -> Bool {
    switch ByteText.asciiLowercased(text) {
    case "true": return true
    case "false": return false
    default:
      let meant: String? =
        switch ByteText.asciiLowercased(text) {
        case "1", "yes", "on", "y", "t": "true"
        case "0", "no", "off", "n", "f": "false"
        default: Spelling.nearest(to: text, among: ["true", "false"])
        }
      throw ValueProblem(
        message: "must be true or false, not '\(shortened(text))'",
        label: meant.map { "write '\($0)'" })
    }
  }

  private static func names(
    _ text: String
  ) throws(ValueProblem) -> [ConfigurationValue.Element] {
    let names = ElementList.split(text)
    if names.count > maximumNameCount {
      throw ValueProblem(
        code: .valueOutOfRange, message: "must not have more than \(maximumNameCount) names")
    }
    return names
  }

  private static func directories(
    _ text: String
  ) throws(ValueProblem) -> [ConfigurationValue.Directory] {
    var pairs: [ConfigurationValue.Directory] = []
    for element in ElementList.split(text, separator: ",", keepsQuotes: true) {
      guard let (input, path) = ElementList.splitAtLastColon(element.text), !input.isEmpty,
        !path.isEmpty
      else {
        throw ValueProblem(
          message: "must be \(ValueType.directories.expectation)", range: element.range,
          label: "expected input:directory")
      }
      if pairs.contains(where: { $0.input == input }) {
        throw ValueProblem(
          message: "names the input '\(input)' twice", range: element.range)
      }
      pairs.append(.init(input: input, path: path, range: element.range))
    }
    if pairs.isEmpty {
      throw ValueProblem(message: "must be \(ValueType.directories.expectation)")
    }
    return pairs
  }

  private static func vector(_ text: String, _ type: ValueType) throws(ValueProblem) -> [Double] {
    guard text.hasPrefix("["), text.hasSuffix("]"), text.utf8.count > 2 else {
      throw ValueProblem(
        message: "must be \(type.expectation)",
        label: text.hasPrefix("[") ? "expected ']' at the end" : "expected '[' and ']'")
    }
    let bytes = Array(text.utf8)
    var numbers: [Double] = []
    var start = 1
    for index in 1..<bytes.count
    where bytes[index] == UInt8(ascii: ",") || index == bytes.count - 1 {
      let range = ByteText.trimmed(start..<index, of: bytes)
      guard let number = decimal(ByteText.string(range, of: bytes)) else {
        throw ValueProblem(
          message: "must be \(type.expectation)", range: range.isEmpty ? start..<index + 1 : range,
          label: "not a number")
      }
      numbers.append(number)
      start = index + 1
    }
    return numbers
  }

  /// A finite number in decimal notation.
  private static func decimal(_ text: String) -> Double? {
    let allowed = Array("0123456789+-.eE".utf8)
    guard text.utf8.allSatisfy({ allowed.contains($0) }) else { return nil }
    return Double(text).flatMap { $0.isFinite ? $0 : nil }
  }

  /// `text`, cut if it is very long.
  private static func shortened(_ text: String) -> String {
    text.utf8.count <= 60 ? text : String(text.prefix(57)) + "..."
  }
}
