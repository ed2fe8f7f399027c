import ModelGraph
import Support
import SwiftProtobuf

/// Makes graph constants out of ONNX tensors, whatever field their data is in.
struct TensorReader {
  let modelPath: String
  /// The model's file.
  let file: MappedFile
  /// Where the payloads taken out of the message lie in the file.
  let payloads: [Range<Int>]
  let externalFiles: ExternalDataFiles

  /// The constant that `proto` states.
  func tensor(_ proto: ONNXTensor) throws(Failure) -> TensorData {
    func malformed(_ text: String) -> Failure {
      Failure(
        .modelMalformed, "tensor '\(proto.name)' \(text)", location: .init(file: modelPath))
    }
    let type = ElementType(onnxCode: proto.dataType)
    guard proto.dims.allSatisfy({ $0 >= 0 && $0 <= Int.max }),
      let count = TensorData.elementCount(of: proto.dims.map(Int.init))
    else { throw malformed("has an impossible shape \(proto.dims)") }
    let dimensions = proto.dims.map(Int.init)
    var rest = proto
    rest.dims = []
    rest.clearDataType()
    rest.clearPayload()
    rest.clearRawData()
    if type == .string {
      guard proto.stringData.count == count else {
        throw malformed(
          "has \(proto.stringData.count) strings, its shape \(dimensions) wants \(count)")
      }
      rest.stringData = []
      return TensorData(
        elementType: type, dimensions: dimensions,
        storage: .strings(proto.stringData.map { Array($0) }), carried: try carried(rest))
    }
    let needed = type.byteCount(of: count)
    let bytes: Bytes
    if proto.dataLocation == 1 {
      bytes = try externalFiles.bytes(of: proto.name, entries: proto.externalData, needed: needed)
      rest.clearDataLocation()
      rest.externalData = []
    } else if proto.hasPayload {
      bytes = Bytes(file, payloads[Int(proto.payload)])
    } else if proto.hasRawData {
      bytes = Bytes(Array(proto.rawData))
    } else {
      bytes = Bytes(typedData(of: proto, as: type))
      if type.bitWidth != nil {
        rest.floatData = []
        rest.int32Data = []
        rest.int64Data = []
        rest.doubleData = []
        rest.uint64Data = []
      }
    }
    if let bitWidth = type.bitWidth {
      guard let needed else { throw malformed("has an impossible shape \(dimensions)") }
      guard bytes.count == needed else {
        throw malformed(
          "has \(bytes.count) bytes, its shape \(dimensions) of \(bitWidth)-bit elements wants "
            + "\(needed)")
      }
    }
    return TensorData(
      elementType: type, dimensions: dimensions, storage: .packed(bytes), carried: try carried(rest)
    )
  }

  private func carried(_ rest: ONNXTensor) throws(Failure) -> [UInt8] {
    try ONNXReader.serialized(rest)
  }

  /// The elements of a typed field, packed as `raw_data` packs them. ONNX says which field serves
  /// which type; narrow types stand in `int32_data`, one element (or one byte of two 4-bit
  /// elements) each.
  private func typedData(of proto: ONNXTensor, as type: ElementType) -> [UInt8] {
    switch type {
    case .float32, .complex64: packed(proto.floatData.map(\.bitPattern))
    case .float64, .complex128: packed(proto.doubleData.map(\.bitPattern))
    case .int64: packed(proto.int64Data)
    case .uint64: packed(proto.uint64Data)
    case .uint32: packed(proto.uint64Data.map { UInt32(truncatingIfNeeded: $0) })
    case .int32: packed(proto.int32Data)
    case .int16, .uint16, .float16, .bfloat16:
      packed(proto.int32Data.map { UInt16(truncatingIfNeeded: $0) })
    case .int8, .uint8, .bool, .int4, .uint4:
      packed(proto.int32Data.map { UInt8(truncatingIfNeeded: $0) })
    case .undefined, .string, .other: []
    }
  }

  private func packed<Element: FixedWidthInteger>(_ values: [Element]) -> [UInt8] {
    values.withUnsafeBytes { Array($0) }
  }
}
