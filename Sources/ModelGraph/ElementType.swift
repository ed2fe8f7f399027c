/// The type of a tensor's elements.
public enum ElementType: Hashable, Sendable {
  case undefined
  case float32, float16, bfloat16, float64
  case int8, int16, int32, int64
  case uint8, uint16, uint32, uint64
  case int4, uint4
  case bool, string
  case complex64, complex128
  /// A type this version has no name for, by its ONNX number; carried through untouched.
  case other(Int32)

  /// Bits of one element as stored (two 4-bit elements share a byte); nil where a count of
  /// elements says nothing about bytes.
  public var bitWidth: Int? {
    switch self {
    case .float32, .int32, .uint32: 32
    case .float16, .bfloat16, .int16, .uint16: 16
    case .float64, .int64, .uint64, .complex64: 64
    case .int8, .uint8, .bool: 8
    case .int4, .uint4: 4
    case .complex128: 128
    case .undefined, .string, .other: nil
    }
  }

  /// Whether elements are real floating-point numbers that a quantizer can read.
  public var isQuantizableFloat: Bool {
    switch self {
    case .float32, .float16, .bfloat16: true
    default: false
    }
  }

  /// The bytes that `count` elements take, the last one filled up; nil without a known width or
  /// when the number doesn't fit.
  public func byteCount(of count: Int) -> Int? {
    guard let bitWidth, count >= 0 else { return nil }
    let (bits, overflow) = count.multipliedReportingOverflow(by: bitWidth)
    return overflow ? nil : bits / 8 + (bits % 8 == 0 ? 0 : 1)
  }

  /// The name shown to people: numpy's, where numpy has the type.
  public var name: String {
    switch self {
    case .undefined: "undefined"
    case .float32: "float32"
    case .float16: "float16"
    case .bfloat16: "bfloat16"
    case .float64: "float64"
    case .int8: "int8"
    case .int16: "int16"
    case .int32: "int32"
    case .int64: "int64"
    case .uint8: "uint8"
    case .uint16: "uint16"
    case .uint32: "uint32"
    case .uint64: "uint64"
    case .int4: "int4"
    case .uint4: "uint4"
    case .bool: "bool"
    case .string: "string"
    case .complex64: "complex64"
    case .complex128: "complex128"
    case .other(let number): "type\(number)"
    }
  }
}
