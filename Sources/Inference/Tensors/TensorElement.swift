import ModelGraph

/// A Swift type that stands for a tensor's elements in memory.
protocol TensorElement: BitwiseCopyable, Sendable {
  /// The element type it stands for.
  static var elementType: ElementType { get }
}

extension Float: TensorElement { static var elementType: ElementType { .float32 } }
extension Double: TensorElement { static var elementType: ElementType { .float64 } }
extension Int8: TensorElement { static var elementType: ElementType { .int8 } }
extension Int16: TensorElement { static var elementType: ElementType { .int16 } }
extension Int32: TensorElement { static var elementType: ElementType { .int32 } }
extension Int64: TensorElement { static var elementType: ElementType { .int64 } }
extension UInt8: TensorElement { static var elementType: ElementType { .uint8 } }
extension UInt16: TensorElement { static var elementType: ElementType { .uint16 } }
extension UInt32: TensorElement { static var elementType: ElementType { .uint32 } }
extension UInt64: TensorElement { static var elementType: ElementType { .uint64 } }

/// A truth value: 0 or 1 in a byte.
struct Truth: TensorElement, Hashable {
  static var elementType: ElementType { .bool }
  let byte: UInt8
  init(_ value: Bool) { byte = value ? 1 : 0 }
  var isTrue: Bool { byte != 0 }
}

extension ElementType {
  /// Bytes of one element in memory. Four-bit integers take a byte each, sign-extended; strings
  /// are numbers in the table of strings. Nil for types the engine doesn't hold.
  var memoryWidth: Int? {
    switch self {
    case .float64, .int64, .uint64, .string, .complex64: 8
    case .float32, .int32, .uint32: 4
    case .float16, .bfloat16, .int16, .uint16: 2
    case .int8, .uint8, .bool, .int4, .uint4: 1
    case .complex128: 16
    case .undefined, .other: nil
    }
  }

  /// Whether elements are floating-point numbers.
  var isFloat: Bool {
    switch self {
    case .float32, .float16, .bfloat16, .float64: true
    default: false
    }
  }
}
