import Glibc

/// How numbers are written and read as strings.
enum Spelling {
  /// A number with the fewest digits that read back as the same number, in the form of C's `%g`.
  static func text(_ value: Float) -> String {
    special(Double(value)) ?? shortest(Double(value), digits: 6...9) { Float($0) == value }
  }

  /// The same for double precision.
  static func text(_ value: Double) -> String {
    special(value) ?? shortest(value, digits: 15...17) { Double($0) == value }
  }

  private static func special(_ value: Double) -> String? {
    if value.isNaN { return "NaN" }
    return value.isInfinite ? value < 0 ? "-INF" : "INF" : nil
  }

  private static func shortest(
    _ value: Double, digits: ClosedRange<Int32>, _ readsBack: (String) -> Bool
  ) -> String {
    for count in digits {
      let text = formatted(value, digits: count)
      if count == digits.upperBound || readsBack(text) { return text }
    }
    return formatted(value, digits: digits.upperBound)
  }

  private static func formatted(_ value: Double, digits: Int32) -> String {
    var buffer = [CChar](repeating: 0, count: 40)
    let length = withVaList([digits, value]) {
      vsnprintf(&buffer, buffer.count, "%.*g", $0)
    }
    return String(decoding: buffer.prefix(Int(length)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// The number at a string's beginning.
  ///
  /// - Throws: a string that doesn't begin with a number.
  static func number(_ bytes: [UInt8]) throws -> Double {
    try parsed(bytes) { strtod($0, $1) }
  }

  /// The integer at a string's beginning, decimal; the largest where it is larger.
  ///
  /// - Throws: a string that doesn't begin with an integer.
  static func integer(_ bytes: [UInt8]) throws -> Int64 {
    try parsed(bytes) { Int64(strtoll($0, $1, 10)) }
  }

  private static func parsed<Number>(
    _ bytes: [UInt8],
    _ parse: (UnsafePointer<CChar>, UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Number
  ) throws -> Number {
    let text = (bytes + [0]).map { CChar(bitPattern: $0) }
    let number: Number? = text.withUnsafeBufferPointer { buffer in
      guard let start = buffer.baseAddress else { return nil }
      var end: UnsafeMutablePointer<CChar>?
      let number = parse(start, &end)
      return end.map { UnsafePointer($0) } == start ? nil : number
    }
    guard let number else {
      throw KernelProblem("the string '\(String(decoding: bytes, as: UTF8.self))' is not a number")
    }
    return number
  }
}
