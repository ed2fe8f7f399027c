import Support

/// A constant: element type, shape, and bytes that are owned or mapped from a file.
///
/// Bytes are packed, little-endian, row-major; two 4-bit elements share a byte, the first in the
/// low half. Asking for type, shape or sizes never touches the bytes.
public struct TensorData: Sendable {
  /// Where the elements are.
  public enum Storage: Sendable {
    /// Numbers.
    case packed(Bytes)
    /// Strings, each as its bytes.
    case strings([[UInt8]])
  }

  /// The elements' type.
  public let elementType: ElementType
  /// The extents, outermost first; empty for a scalar.
  public let dimensions: [Int]
  /// The elements.
  public let storage: Storage
  /// What else the file says of this tensor, in its format's own encoding.
  public let carried: [UInt8]

  /// Makes a tensor.
  ///
  /// - Precondition: a packed storage has the bytes that type and shape ask for, where the type's
  ///   width is known.
  public init(
    elementType: ElementType, dimensions: [Int], storage: Storage, carried: [UInt8] = []
  ) {
    self.elementType = elementType
    self.dimensions = dimensions
    self.storage = storage
    self.carried = carried
  }

  /// A one-dimensional or scalar tensor of 64-bit integers.
  public init(int64 values: [Int64], isScalar: Bool = false) {
    let bytes = values.flatMap { value in withUnsafeBytes(of: value.littleEndian, Array.init) }
    self.init(
      elementType: .int64, dimensions: isScalar ? [] : [values.count],
      storage: .packed(Bytes(bytes)))
  }

  /// A one-dimensional or scalar tensor of 32-bit floats.
  public init(float32 values: [Float], isScalar: Bool = false) {
    self.init(float32: values, dimensions: isScalar ? [] : [values.count])
  }

  /// A tensor of 32-bit floats.
  ///
  /// - Precondition: as many values as the extents' product.
  public init(float32 values: [Float], dimensions: [Int]) {
    self.init(
      elementType: .float32, dimensions: dimensions,
      storage: .packed(Bytes(TensorData.littleEndianBytes(values, \.bitPattern))))
  }

  /// A tensor of 32-bit integers.
  ///
  /// - Precondition: as many values as the extents' product.
  public init(int32 values: [Int32], dimensions: [Int]) {
    self.init(
      elementType: .int32, dimensions: dimensions,
      storage: .packed(Bytes(TensorData.littleEndianBytes(values, \.self))))
  }

  /// The bytes of each value's bits, in one pass.
  private static func littleEndianBytes<Element, Bits: FixedWidthInteger>(
    _ values: [Element], _ bits: (Element) -> Bits
  ) -> [UInt8] {
    let total = values.count * MemoryLayout<Bits>.size
    return [UInt8](unsafeUninitializedCapacity: total) { bytes, count in
      bytes.withMemoryRebound(to: Bits.self) { words in
        for index in values.indices { words[index] = bits(values[index]).littleEndian }
      }
      count = total
    }
  }

  /// Number of elements.
  public var elementCount: Int { dimensions.reduce(1, *) }

  /// Bytes of packed elements; the sum of lengths of strings.
  public var byteCount: Int {
    switch storage {
    case .packed(let bytes): bytes.count
    case .strings(let strings): strings.reduce(0) { $0 + $1.count }
    }
  }

  /// The packed bytes; nil for strings.
  public var packed: Bytes? {
    if case .packed(let bytes) = storage { bytes } else { nil }
  }

  /// The elements as 64-bit integers, for the small integer tensors that say shapes and axes; nil
  /// for other types.
  ///
  /// - Complexity: O(elements).
  public var integers: [Int64]? {
    guard let packed else { return nil }
    switch elementType {
    case .int64: return packed.load(Int64.self).map { Int64(littleEndian: $0) }
    case .int32: return packed.load(Int32.self).map { Int64(Int32(littleEndian: $0)) }
    default: return nil
    }
  }

  /// The elements of a float32 tensor; nil for other types.
  ///
  /// - Complexity: O(elements).
  public var float32Values: [Float]? {
    guard elementType == .float32, let packed else { return nil }
    return packed.withUnsafeBytes { bytes in
      let total = bytes.count / 4
      return [Float](unsafeUninitializedCapacity: total) { floats, count in
        for index in 0..<total {
          let word = bytes.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self)
          floats[index] = Float(bitPattern: UInt32(littleEndian: word))
        }
        count = total
      }
    }
  }

  /// The product of extents when it can be the size of something real: no negative extent, and
  /// bytes of the widest elements could be counted, whatever the extents' order and even if one of
  /// them is 0.
  public static func elementCount(of dimensions: [Int]) -> Int? {
    var count = 1
    var isEmpty = false
    for extent in dimensions {
      guard extent >= 0 else { return nil }
      let (product, overflow) = count.multipliedReportingOverflow(by: max(1, extent))
      guard !overflow else { return nil }
      count = product
      isEmpty = isEmpty || extent == 0
    }
    guard count <= Int.max / 16 else { return nil }
    return isEmpty ? 0 : count
  }
}

extension Bytes {
  /// The bytes as an array of fixed-width values, in this machine's byte order; a rest shorter
  /// than one value is dropped.
  public func load<Element: FixedWidthInteger>(_ type: Element.Type) -> [Element] {
    withUnsafeBytes { buffer in
      let total = buffer.count / MemoryLayout<Element>.size
      return [Element](unsafeUninitializedCapacity: total) { elements, count in
        UnsafeMutableRawBufferPointer(elements).copyMemory(
          from: UnsafeRawBufferPointer(rebasing: buffer[..<(total * MemoryLayout<Element>.size)]))
        count = total
      }
    }
  }
}
