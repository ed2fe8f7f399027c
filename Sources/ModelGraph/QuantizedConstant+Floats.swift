import Support

extension QuantizedConstant {
  /// What the integers stand for, row-major: `scale * (integer - zeroPoint) + offset`, each step in
  /// float32.
  ///
  /// - Precondition: the storage has no blocks.
  /// - Complexity: O(elements), and what making the integers takes.
  public func floats() -> [Float] {
    precondition(storage.block == nil, "a scale for each channel, or one")
    var plain = self
    if storage.elementType == .int4 { plain.storage.elementType = .int8 }
    let isWide = plain.storage.elementType == .int16
    let dimensions = source.dimensions
    let inner =
      storage.axis.map { dimensions[($0 + 1)...].reduce(1, *) } ?? max(1, source.elementCount)
    let channels = storage.axis.map { dimensions[$0] } ?? 1
    var floats = [Float](repeating: 0, count: source.elementCount)
    for number in 0..<slabCount {
      let slab = plain.encode(number)
      let parameters = slab.parameters
      slab.integers.withUnsafeBytes { bytes in
        let first = isWide ? slab.byteOffset / 2 : slab.byteOffset
        let count = isWide ? bytes.count / 2 : bytes.count
        var index = 0
        while index < count {
          let run = min(count - index, inner - (first + index) % inner)
          let channel = (first + index) / inner % channels - parameters.firstChannel
          let (scale, zeroPoint) = (parameters.scales[channel], parameters.zeroPoints[channel])
          let offset = parameters.offsets.isEmpty ? 0 : parameters.offsets[channel]
          for place in index..<index + run {
            let integer =
              isWide
              ? Int32(Int16(littleEndian: bytes.load(fromByteOffset: 2 * place, as: Int16.self)))
              : Int32(bytes.load(fromByteOffset: place, as: Int8.self))
            floats[first + place] = Float(integer - zeroPoint) * scale + offset
          }
          index += run
        }
      }
    }
    return floats
  }

  /// The same in the constant's own type.
  public func dequantized() -> TensorData {
    let floats = floats()
    func halves(_ bits: (Float) -> UInt16) -> TensorData {
      TensorData(
        elementType: source.elementType, dimensions: source.dimensions,
        storage: .packed(Bytes(floats.map { bits($0).littleEndian }.withUnsafeBytes(Array.init))))
    }
    switch source.elementType {
    case .float16: return halves { Float16($0).bitPattern }
    case .bfloat16: return halves { UInt16($0.bitPattern >> 16) }
    default: return TensorData(float32: floats, dimensions: source.dimensions)
    }
  }
}
