extension ElementType {
  /// ONNX's number (`TensorProto.DataType`).
  public var onnxCode: Int32 {
    switch self {
    case .undefined: 0
    case .float32: 1
    case .uint8: 2
    case .int8: 3
    case .uint16: 4
    case .int16: 5
    case .int32: 6
    case .int64: 7
    case .string: 8
    case .bool: 9
    case .float16: 10
    case .float64: 11
    case .uint32: 12
    case .uint64: 13
    case .complex64: 14
    case .complex128: 15
    case .bfloat16: 16
    case .uint4: 21
    case .int4: 22
    case .other(let code): code
    }
  }

  /// The type of ONNX's number; `other` for one without a name here.
  public init(onnxCode: some BinaryInteger) {
    self =
      switch onnxCode {
      case 0: .undefined
      case 1: .float32
      case 2: .uint8
      case 3: .int8
      case 4: .uint16
      case 5: .int16
      case 6: .int32
      case 7: .int64
      case 8: .string
      case 9: .bool
      case 10: .float16
      case 11: .float64
      case 12: .uint32
      case 13: .uint64
      case 14: .complex64
      case 15: .complex128
      case 16: .bfloat16
      case 21: .uint4
      case 22: .int4
      default: .other(Int32(clamping: onnxCode))
      }
  }
}
