import ModelFormats
import ModelGraph
import Support

/// Turns ONNX's constants into what the format's runtimes read: 32-bit integers and floats.
enum Constants {
  /// The type that stands for an element type; nil without one.
  static func stored(_ type: ElementType) -> ElementType? {
    switch type {
    case .int64, .int32, .uint32, .uint64, .int16, .uint16: .int32
    case .float32, .float64, .float16: .float32
    case .int8, .uint8, .bool: type
    default: nil
    }
  }

  /// The tensor of a constant in an order of its axes.
  ///
  /// - Parameter clampsIntegers: whether integers that 32 bits can't hold may become the nearest
  ///   ones, as ends of slices may.
  static func tensor(
    _ data: TensorData, name: String, order: AxisOrder?, clampsIntegers: Bool = false
  ) throws(Failure) -> MSLiteTensor {
    guard let type = stored(data.elementType), let packed = data.packed else {
      throw Failure(
        .modelUnsupported,
        "the constant '\(name)' of type \(data.elementType.name) has no form in a .ms file",
        help: "use --saveType=ONNX")
    }
    let (bytes, width) = try converted(data, packed, name, clampsIntegers)
    let dimensions = order?.arranged(data.dimensions) ?? data.dimensions
    var tensor = MSLiteTensor(name: name, elementType: type, dimensions: dimensions)
    if let order, !order.movesNothing(of: data.dimensions), data.elementCount > 0 {
      tensor.content = .made(byteCount: bytes.count, sourceByteCount: bytes.count) {
        defer { bytes.release() }
        return bytes.withUnsafeBytes {
          Rearrangement.apply($0, extents: data.dimensions, width: width, order: order)
        }
      }
    } else {
      tensor.content = .bytes(bytes)
    }
    return tensor
  }

  private static func converted(
    _ data: TensorData, _ packed: Bytes, _ name: String, _ clamps: Bool
  ) throws(Failure) -> (Bytes, width: Int) {
    func whole(_ values: [some BinaryInteger]) throws(Failure) -> (Bytes, width: Int) {
      var narrow: [Int32] = []
      narrow.reserveCapacity(values.count)
      for value in values {
        guard let exact = clamps ? Int32(clamping: value) : Int32(exactly: value) else {
          throw Failure(
            .modelUnsupported, "the constant '\(name)' holds \(value), which needs 64 bits",
            notes: ["a .ms file's integers have 32 bits"], help: "use --saveType=ONNX")
        }
        narrow.append(exact.littleEndian)
      }
      return (Bytes(narrow.withUnsafeBytes(Array.init)), 4)
    }
    func real(_ values: [Float]) -> (Bytes, width: Int) {
      (Bytes(values.map(\.bitPattern.littleEndian).withUnsafeBytes(Array.init)), 4)
    }
    return switch data.elementType {
    case .int64: try whole(packed.load(Int64.self).map(Int64.init(littleEndian:)))
    case .uint64: try whole(packed.load(UInt64.self).map(UInt64.init(littleEndian:)))
    case .uint32: try whole(packed.load(UInt32.self).map(UInt32.init(littleEndian:)))
    case .int16: try whole(packed.load(Int16.self).map(Int16.init(littleEndian:)))
    case .uint16: try whole(packed.load(UInt16.self).map(UInt16.init(littleEndian:)))
    case .float64:
      real(packed.load(UInt64.self).map { Float(Double(bitPattern: UInt64(littleEndian: $0))) })
    case .float16:
      real(packed.load(UInt16.self).map { Float(Float16(bitPattern: UInt16(littleEndian: $0))) })
    default: (packed, (data.elementType.bitWidth ?? 32) / 8)
    }
  }

  /// The tensor of a quantized constant; its channels keep their order.
  static func quantized(
    _ constant: QuantizedConstant, name: String, order: AxisOrder?
  ) -> MSLiteTensor {
    if let parameters = constant.knownParameters {
      return known(constant, parameters, name: name, order: order)
    }
    let extents = constant.source.dimensions
    var tensor = MSLiteTensor(
      name: name, elementType: constant.storage.elementType,
      dimensions: order?.arranged(extents) ?? extents)
    tensor.channelAxis = constant.storage.axis.map { order?.place(of: $0) ?? $0 }
    guard let order, !order.movesNothing(of: extents) else {
      tensor.content = .quantized(constant, rearrange: nil)
      return tensor
    }
    let width = (constant.storage.elementType.bitWidth ?? 8) / 8
    let row = extents.dropFirst().reduce(width, *)
    tensor.content = .quantized(constant) { slab in
      let rows = row > 0 ? slab.integers.count / row : 0
      return Bytes(slab.integers).withUnsafeBytes {
        Rearrangement.apply(
          $0, extents: [rows] + extents.dropFirst(), width: width, order: order)
      }
    }
    return tensor
  }

  /// The tensor of integers that are made already; parameters that all channels share are stated
  /// once.
  private static func known(
    _ constant: QuantizedConstant, _ parameters: EncodedParameters, name: String, order: AxisOrder?
  ) -> MSLiteTensor {
    let extents = constant.source.dimensions
    var tensor = MSLiteTensor(
      name: name, elementType: constant.storage.elementType,
      dimensions: order?.arranged(extents) ?? extents)
    var bytes = constant.encode(0).integers
    if let order, !order.movesNothing(of: extents) {
      bytes = bytes.withUnsafeBytes {
        Rearrangement.apply(
          $0, extents: extents, width: (constant.storage.elementType.bitWidth ?? 8) / 8,
          order: order)
      }
    }
    tensor.content = .bytes(Bytes(bytes))
    let all = zip(parameters.scales, parameters.zeroPoints).map { scale, zeroPoint in
      MSLiteQuantization(
        scale: Double(scale), zeroPoint: zeroPoint, bits: Int32(constant.storage.bits))
    }
    tensor.quantization = Set(all).count == 1 ? Array(all.prefix(1)) : all
    return tensor
  }
}
