import ModelFormats
import ModelGraph
import Support

/// Turns a file's constants into ONNX's: 64-bit integers, 32-bit floats.
enum ConstantReading {
  /// The type that stands for a type of the format's; nil without one.
  static func type(_ stored: ElementType) -> ElementType? {
    switch stored {
    case .int16, .int32, .int64, .uint16, .uint32: .int64
    case .float16, .float32, .float64: .float32
    case .int8, .uint8, .bool: stored
    default: nil
    }
  }

  /// The elements of a constant tensor.
  ///
  /// - Throws: a type without a form, or bytes that don't fit the extents.
  static func data(_ tensor: MSLiteTensor) throws(Failure) -> TensorData {
    guard let type = type(tensor.elementType), case .bytes(let bytes) = tensor.content else {
      throw Failure(
        .modelUnsupported,
        "the constant '\(tensor.name)' of type \(tensor.elementType.name) cannot be read",
        help: "convert the model that the file was made from")
    }
    guard let count = TensorData.elementCount(of: tensor.dimensions),
      tensor.elementType.byteCount(of: count) == bytes.count
    else {
      throw Failure(
        .modelMalformed, "the constant '\(tensor.name)' doesn't have the bytes of its shape",
        help: "convert the model again")
    }
    return TensorData(
      elementType: type, dimensions: tensor.dimensions,
      storage: .packed(converted(bytes, tensor.elementType)))
  }

  /// Bytes of all constants, at most those of the file if they are all in one.
  static func byteCount(of tensors: [MSLiteTensor]) -> Int {
    var total = 0
    var (lowest, highest) = (UInt.max, UInt.min)
    for case .bytes(let bytes) in tensors.lazy.map(\.content) where bytes.count > 0 {
      total += bytes.count
      let start = bytes.withUnsafeBytes { UInt(bitPattern: $0.baseAddress) }
      (lowest, highest) = (min(lowest, start), max(highest, start + UInt(bytes.count)))
    }
    return lowest < highest ? min(total, Int(clamping: highest - lowest)) : 0
  }

  private static func converted(_ bytes: Bytes, _ type: ElementType) -> Bytes {
    func whole(_ values: [some BinaryInteger]) -> Bytes {
      Bytes(values.map { Int64($0).littleEndian }.withUnsafeBytes(Array.init))
    }
    func real(_ values: [Float]) -> Bytes {
      Bytes(values.map(\.bitPattern.littleEndian).withUnsafeBytes(Array.init))
    }
    return switch type {
    case .int16: whole(bytes.load(Int16.self).map(Int16.init(littleEndian:)))
    case .int32: whole(bytes.load(Int32.self).map(Int32.init(littleEndian:)))
    case .uint16: whole(bytes.load(UInt16.self).map(UInt16.init(littleEndian:)))
    case .uint32: whole(bytes.load(UInt32.self).map(UInt32.init(littleEndian:)))
    case .float16:
      real(bytes.load(UInt16.self).map { Float(Float16(bitPattern: UInt16(littleEndian: $0))) })
    case .float64:
      real(bytes.load(UInt64.self).map { Float(Double(bitPattern: UInt64(littleEndian: $0))) })
    default: bytes
    }
  }

  /// A constant in another order of its axes, or with axes of extent 1 in front to have as many.
  static func arranged(_ data: TensorData, _ order: AxisOrder) -> TensorData {
    let missing = max(0, order.rank - data.dimensions.count)
    let extents = Array(repeating: 1, count: missing) + data.dimensions
    guard let packed = data.packed, extents.count == order.rank else { return data }
    let storage: TensorData.Storage
    if order.movesNothing(of: extents) || data.elementCount == 0 {
      storage = data.storage
    } else {
      let width = (data.elementType.bitWidth ?? 32) / 8
      storage = .packed(
        Bytes(
          packed.withUnsafeBytes {
            Rearrangement.apply($0, extents: extents, width: width, order: order)
          }))
    }
    return TensorData(
      elementType: data.elementType, dimensions: order.arranged(extents), storage: storage)
  }
}
