import ModelGraph
import _StringProcessing

extension Families {
  /// Operators on strings.
  static let texts = [stringNormalizer, tfIdfVectorizer, stringConcat, stringSplit, regexFullMatch]

  private static let stringNormalizer = OperatorDefinition(
    "StringNormalizer", types: "string",
    tensors: { settings in
      let change = try CaseChange(named: settings.string("case_change_action") ?? "NONE")
      let isCaseSensitive = try settings.flag("is_case_sensitive")
      let comparison: CaseChange = isCaseSensitive ? .none : .lower
      let stopWords = Set(
        try (settings.strings("stopwords") ?? []).map { comparison.apply(to: $0) })
      return { call in
        let words = try call.tensor(0, .string)
        guard words.rank == 1 || words.rank == 2 && words.shape[0] == 1 else {
          throw KernelProblem("\(words.description) is not a list of words")
        }
        let kept = words.elements(UInt64.self).map { StringTable.string($0) }
          .filter { stopWords.isEmpty || !stopWords.contains(comparison.apply(to: $0)) }
          .map { change.apply(to: $0) }
        let strings = kept.isEmpty ? [[]] : kept
        return [try call.context.strings(strings, Array(words.shape.dropLast()) + [strings.count])]
      }
    })

  private static let stringConcat = OperatorDefinition(
    "StringConcat", types: "string",
    tensors: { _ in
      { call in
        let (left, right) = (try call.tensor(0, .string), try call.tensor(1, .string))
        let shape = try broadcastShape(left.shape, right.shape)
        let result = try call.context.allocate(.string, shape)
        let (heads, tails) = (left.elements(UInt64.self), right.elements(UInt64.self))
        let out = result.mutableElements(UInt64.self)
        let strides = [
          broadcastStrides(left.shape, to: shape), broadcastStrides(right.shape, to: shape),
        ]
        let length = shape.last ?? 1
        forEachRow(shape, strides: strides) { row, offsets in
          for column in 0..<length {
            let head = heads[offsets[0] + column * (strides[0].last ?? 0)]
            let tail = tails[offsets[1] + column * (strides[1].last ?? 0)]
            out[row * length + column] = StringTable.number(
              of: StringTable.string(head) + StringTable.string(tail))
          }
        }
        return [result]
      }
    })

  private static let stringSplit = OperatorDefinition(
    "StringSplit", types: "string",
    tensors: { settings in
      let delimiter = Array((try settings.string("delimiter") ?? "").utf8)
      let most = try settings.int("maxsplit").flatMap { $0 < 0 ? nil : $0 } ?? .max
      return { call in
        let texts = try call.tensor(0, .string)
        let parts = texts.elements(UInt64.self).map { number in
          let text = StringTable.string(number)
          return delimiter.isEmpty
            ? splitAtSpaces(text, most: most) : split(text, at: delimiter, most: most)
        }
        let columns = parts.map(\.count).max() ?? 0
        let result = try call.context.allocate(.string, texts.shape + [columns])
        let counts = try call.context.allocate(.int64, texts.shape)
        let (out, lengths) = (
          result.mutableElements(UInt64.self), counts.mutableElements(Int64.self)
        )
        out.update(repeating: StringTable.number(of: []))
        for (row, part) in parts.enumerated() {
          lengths[row] = Int64(part.count)
          for (column, text) in part.enumerated() {
            out[row * columns + column] = StringTable.number(of: Array(text))
          }
        }
        return [result, counts]
      }
    })

  private static func split(
    _ text: [UInt8], at delimiter: [UInt8], most: Int
  ) -> [ArraySlice<UInt8>] {
    if text.isEmpty { return [] }
    var parts: [ArraySlice<UInt8>] = []
    var begin = 0
    var place = 0
    while parts.count < most, place + delimiter.count <= text.count {
      if text[place..<place + delimiter.count].elementsEqual(delimiter) {
        parts.append(text[begin..<place])
        place += delimiter.count
        begin = place
      } else {
        place += 1
      }
    }
    return parts + [text[begin...]]
  }

  private static func splitAtSpaces(_ text: [UInt8], most: Int) -> [ArraySlice<UInt8>] {
    let space = UInt8(ascii: " ")
    let end = text.lastIndex { $0 != space } ?? -1
    var rest = text[..<(end + 1)].drop { $0 == space }
    var parts: [ArraySlice<UInt8>] = []
    while !rest.isEmpty {
      if parts.count == most { return parts + [rest] }
      let word = rest.prefix { $0 != space }
      parts.append(word)
      rest = rest[word.endIndex...].drop { $0 == space }
    }
    return parts
  }

  private static let regexFullMatch = OperatorDefinition(
    "RegexFullMatch", versions: "Swift's regular expressions stand for RE2's", types: "string",
    tensors: { settings in
      let pattern = try settings.string("pattern") ?? ""
      guard (try? Regex(pattern)) != nil else {
        throw KernelProblem("'\(pattern)' is not a regular expression")
      }
      return { call in
        let texts = try call.tensor(0, .string)
        let regex = try Regex(pattern).matchingSemantics(.unicodeScalar)
          .wordBoundaryKind(.simple).asciiOnlyCharacterClasses()
        let result = try call.context.allocate(.bool, texts.shape)
        let out = result.mutableElements(Truth.self)
        for (place, number) in texts.elements(UInt64.self).enumerated() {
          let text = String(decoding: StringTable.string(number), as: UTF8.self)
          out[place] = Truth(try regex.wholeMatch(in: text) != nil)
        }
        return [result]
      }
    })
}

/// What is done to upper-case and lower-case letters.
private enum CaseChange {
  case none, lower, upper

  init(named name: String) throws {
    switch name {
    case "NONE": self = .none
    case "LOWER": self = .lower
    case "UPPER": self = .upper
    default: throw KernelProblem("'\(name)' is not a way to change letters")
    }
  }

  /// The text with each character replaced that has one counterpart.
  func apply(to text: [UInt8]) -> [UInt8] {
    if case .none = self { return text }
    var changed = String.UnicodeScalarView()
    for scalar in String(decoding: text, as: UTF8.self).unicodeScalars {
      let properties = scalar.properties
      let mapping = self == .lower ? properties.lowercaseMapping : properties.uppercaseMapping
      let scalars = mapping.unicodeScalars
      changed.append(scalars.count == 1 ? scalars.first ?? scalar : scalar)
    }
    return Array(String(changed).utf8)
  }
}

extension RunContext {
  /// A string tensor.
  fileprivate func strings(_ strings: [[UInt8]], _ shape: [Int]) throws -> Tensor {
    let result = try allocate(.string, shape)
    let out = result.mutableElements(UInt64.self)
    for (place, string) in strings.enumerated() { out[place] = StringTable.number(of: string) }
    return result
  }
}
