import ModelGraph

/// Why bytes are not a tensor in NumPy's file format: one sentence without the file's name.
public struct NPYProblem: Error, Hashable, Sendable {
  /// What is wrong.
  public let message: String

  init(_ message: String) { self.message = message }
}

/// The header of a `.npy` file (NumPy enhancement proposal 1): a signature, a version, and a Python
/// dictionary with the element type, the order and the shape.
struct NPYHeader: Equatable {
  static let signature: [UInt8] = [0x93] + Array("NUMPY".utf8)

  let elementType: ElementType
  let isFortranOrder: Bool
  let shape: [Int]

  /// Reads the dictionary's text.
  ///
  /// - Throws: anything but a dictionary with exactly these three keys.
  init(dictionary text: ArraySlice<UInt8>) throws(NPYProblem) {
    var scanner = PythonScanner(text)
    var description: [UInt8]?
    var order: Bool?
    var shape: [Int]?
    try scanner.expect("{")
    while !scanner.skip("}") {
      let key = String(decoding: try scanner.string(), as: UTF8.self)
      try scanner.expect(":")
      switch key {
      case "descr" where description == nil: description = try scanner.string()
      case "fortran_order" where order == nil: order = try scanner.truth()
      case "shape" where shape == nil: shape = try scanner.tuple()
      default: throw NPYProblem("its header has the key '\(key)', or has it twice")
      }
      if !scanner.skip(",") {
        try scanner.expect("}")
        break
      }
    }
    guard scanner.isAtEnd, let description, let order, let shape else {
      throw NPYProblem("its header lacks a key, or text follows it")
    }
    elementType = try Self.elementType(String(decoding: description, as: UTF8.self))
    isFortranOrder = order
    self.shape = shape
  }

  /// Describes a row-major tensor.
  init(elementType: ElementType, shape: [Int]) {
    self.elementType = elementType
    isFortranOrder = false
    self.shape = shape
  }

  /// The file's bytes before the elements, which then begin at a multiple of 64; nil for a type
  /// that NumPy doesn't have.
  var bytes: [UInt8]? {
    guard let name = Self.names.first(where: { $0.type == elementType })?.name else { return nil }
    let order = name.hasSuffix("1") ? "|" : "<"
    let extents = shape.map(String.init).joined(separator: ", ") + (shape.count == 1 ? "," : "")
    var text = Array(
      "{'descr': '\(order)\(name)', 'fortran_order': False, 'shape': (\(extents)), }".utf8)
    let isLong = text.count + 75 > 65535
    let start = isLong ? 12 : 10
    text += Array(repeating: UInt8(ascii: " "), count: 63 - (start + text.count) % 64)
    text.append(UInt8(ascii: "\n"))
    let lengthBytes = (0..<(isLong ? 4 : 2)).map {
      UInt8(truncatingIfNeeded: text.count >> (8 * $0))
    }
    return Self.signature + [isLong ? 2 : 1, 0] + lengthBytes + text
  }

  private static let names: [(name: String, type: ElementType)] = [
    ("f4", .float32), ("f2", .float16), ("f8", .float64), ("i1", .int8), ("i2", .int16),
    ("i4", .int32), ("i8", .int64), ("u1", .uint8), ("u2", .uint16), ("u4", .uint32),
    ("u8", .uint64), ("b1", .bool), ("c8", .complex64), ("c16", .complex128),
  ]

  private static func elementType(_ description: String) throws(NPYProblem) -> ElementType {
    let order = description.first
    guard let known = names.first(where: { $0.name == description.dropFirst() }),
      order == "<" || order == "=" || order == "|"
    else {
      throw NPYProblem(
        order == ">"
          ? "its elements are big-endian ('\(description)')"
          : "its elements are of the type '\(description)'")
    }
    return known.type
  }
}

/// Reads the Python literals that headers are made of.
private struct PythonScanner {
  private var rest: ArraySlice<UInt8>

  init(_ text: ArraySlice<UInt8>) { rest = text }

  /// Whether only blanks are left.
  var isAtEnd: Bool { rest.allSatisfy(Self.isBlank) }

  private static func isBlank(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\t")
  }

  private mutating func skipBlanks() { rest = rest.drop(while: Self.isBlank) }

  /// Takes a word if it is next.
  mutating func skip(_ word: String) -> Bool {
    skipBlanks()
    guard rest.starts(with: word.utf8) else { return false }
    rest = rest.dropFirst(word.utf8.count)
    return true
  }

  mutating func expect(_ word: String) throws(NPYProblem) {
    guard skip(word) else { throw NPYProblem("its header lacks a '\(word)'") }
  }

  mutating func string() throws(NPYProblem) -> [UInt8] {
    skipBlanks()
    guard let quote = rest.first, quote == UInt8(ascii: "'") || quote == UInt8(ascii: "\""),
      let end = rest.dropFirst().firstIndex(of: quote)
    else { throw NPYProblem("its header has something else where a text has to be") }
    let text = Array(rest[(rest.startIndex + 1)..<end])
    rest = rest[(end + 1)...]
    return text
  }

  mutating func truth() throws(NPYProblem) -> Bool {
    if skip("True") { return true }
    try expect("False")
    return false
  }

  /// A tuple of extents: `()`, `(3,)`, `(3, 4)`. Old files write long integers as `3L`.
  mutating func tuple() throws(NPYProblem) -> [Int] {
    try expect("(")
    var extents: [Int] = []
    while !skip(")") {
      skipBlanks()
      let digits = rest.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
      guard let extent = Int(String(decoding: digits, as: UTF8.self)) else {
        throw NPYProblem("its header has a shape that isn't a list of extents")
      }
      extents.append(extent)
      rest = rest.dropFirst(digits.count)
      _ = skip("L")
      if !skip(",") {
        try expect(")")
        break
      }
    }
    guard extents.count <= 64 else { throw NPYProblem("it has \(extents.count) axes") }
    return extents
  }
}
