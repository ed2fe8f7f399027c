import Glibc

/// How numbers are written and read as strings.
enum Spelling {
  /// A number with at most that many digits, as C's `%g` writes it.
  static func text(_ value: Double, digits: Int32) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value < 0 ? "-INF" : "INF" }
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
