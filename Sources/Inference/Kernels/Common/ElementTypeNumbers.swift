import ModelGraph

extension ElementType {
  /// The type that an attribute names by ONNX's number (`TensorProto.DataType`).
  init(onnxNumber: Int) {
    let named: [Int: ElementType] = [
      0: .undefined, 1: .float32, 2: .uint8, 3: .int8, 4: .uint16, 5: .int16, 6: .int32, 7: .int64,
      8: .string, 9: .bool, 10: .float16, 11: .float64, 12: .uint32, 13: .uint64, 14: .complex64,
      15: .complex128, 16: .bfloat16, 21: .uint4, 22: .int4,
    ]
    self = named[onnxNumber] ?? .other(Int32(truncatingIfNeeded: onnxNumber))
  }
}
