import ModelGraph
import Support

/// Writes tensors in NumPy's file format, version 1, in C order. bfloat16, which NumPy lacks, is
/// written as float32, and four-bit integers as eight-bit ones.
public enum NPYWriter {
  /// Whether tensors of that type can be written.
  public static func writes(_ type: ElementType) -> Bool {
    NPYHeader(elementType: stored(type), shape: []).bytes != nil
  }

  /// Writes a file that appears whole or not at all.
  ///
  /// - Precondition: `writes` says so of the type.
  public static func write(_ tensor: TensorData, to path: String) throws(SystemError) {
    let header = NPYHeader(elementType: stored(tensor.elementType), shape: tensor.dimensions).bytes
    guard let header, let packed = tensor.packed else {
      preconditionFailure("\(tensor.elementType.name) has no form in NumPy's files")
    }
    let elements = widened(packed, tensor)
    let file = try AtomicFile(path: path)
    try file.resize(to: header.count + elements.count)
    var problem: SystemError?
    header.withUnsafeBytes { bytes in
      do throws(SystemError) { try file.write(bytes, at: 0) } catch { problem = error }
    }
    if let problem { throw problem }
    try elements.withUnsafeBytes { bytes throws(SystemError) in
      try file.write(bytes, at: header.count)
    }
    try file.commit()
  }

  private static func stored(_ type: ElementType) -> ElementType {
    switch type {
    case .bfloat16: .float32
    case .int4: .int8
    case .uint4: .uint8
    default: type
    }
  }

  private static func widened(_ packed: Bytes, _ tensor: TensorData) -> Bytes {
    switch tensor.elementType {
    case .bfloat16:
      return Bytes(packed.load(UInt8.self).pairs.flatMap { [0, 0, $0.0, $0.1] })
    case .int4, .uint4:
      let isSigned = tensor.elementType == .int4
      let nibbles = packed.load(UInt8.self).flatMap { [$0 & 15, $0 >> 4] }
      return Bytes(
        nibbles.prefix(tensor.elementCount).map { isSigned && $0 > 7 ? $0 | 0xf0 : $0 })
    default: return packed
    }
  }
}

extension [UInt8] {
  /// Neighbours two by two.
  fileprivate var pairs: [(UInt8, UInt8)] {
    stride(from: 0, to: count - 1, by: 2).map { (self[$0], self[$0 + 1]) }
  }
}
