import ModelGraph
import Support

extension Tensor {
  /// A tensor with a copy of the elements, or with the pages of a mapped file.
  package init(constant data: TensorData) throws { try self.init(constant: data, pool: .init()) }

  /// A constant of a model. Mapped weights stay mapped, at whatever address the file gives them (the
  /// processors this runs on read unaligned elements); everything else is copied.
  ///
  /// - Throws: a type the engine doesn't hold, or too few bytes.
  init(constant data: TensorData, pool: BufferPool) throws {
    guard let width = data.elementType.memoryWidth,
      let count = TensorData.elementCount(of: data.dimensions)
    else { throw KernelProblem("\(data.elementType.name) has no representation in memory") }
    switch data.storage {
    case .strings(let strings):
      guard strings.count == count else {
        throw KernelProblem("\(strings.count) strings for \(count) places")
      }
      let storage = try pool.storage(byteCount: count * 8)
      self.init(.string, data.dimensions, storage: storage)
      let numbers = mutableElements(UInt64.self)
      for (index, string) in strings.enumerated() {
        numbers[index] = StringTable.number(of: string)
      }
    case .packed(let bytes):
      guard bytes.count >= data.elementType.byteCount(of: count) ?? .max else {
        throw KernelProblem("a constant has \(bytes.count) bytes, too few for its shape")
      }
      if data.elementType == .int4 || data.elementType == .uint4 {
        self.init(
          data.elementType, data.dimensions, storage: try pool.storage(byteCount: count))
        unpackNibbles(bytes, signed: data.elementType == .int4)
        return
      }
      if bytes.isMapped, bytes.count >= 4096 {
        self.init(data.elementType, data.dimensions, storage: Storage(mapped: bytes))
        return
      }
      self.init(
        data.elementType, data.dimensions, storage: try pool.storage(byteCount: count * width))
      bytes.withUnsafeBytes { buffer in
        guard let source = buffer.baseAddress else { return }
        storage.base.copyMemory(from: source, byteCount: count * width)
      }
    }
  }

  private func unpackNibbles(_ bytes: Bytes, signed: Bool) {
    bytes.withUnsafeBytes { packed in
      let out = storage.base.assumingMemoryBound(to: UInt8.self)
      for index in 0..<count {
        let nibble = index % 2 == 0 ? packed[index / 2] & 15 : packed[index / 2] >> 4
        out[index] = signed && nibble > 7 ? nibble | 0xf0 : nibble
      }
    }
  }

  /// A copy of the elements in the packed row-major form of files, whatever the layout.
  package func copied() -> TensorData {
    var bytes = rowMajorBytes
    if elementType == .string {
      let strings = bytes.withUnsafeBytes { $0.bindMemory(to: UInt64.self).map(StringTable.string) }
      return TensorData(elementType: .string, dimensions: shape, storage: .strings(strings))
    }
    if elementType == .int4 || elementType == .uint4 {
      let values = bytes
      bytes = (0..<(count + 1) / 2).map { pair in
        let high = 2 * pair + 1 < count ? values[2 * pair + 1] : 0
        return values[2 * pair] & 15 | high << 4
      }
    }
    return TensorData(
      elementType: elementType, dimensions: shape, storage: .packed(Bytes(bytes)))
  }
}
