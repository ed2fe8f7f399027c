import ModelGraph
import Support

/// Reads tensors from NumPy's file format, versions 1 to 3, little-endian.
public enum NPYReader {
  /// Whether bytes begin as NumPy's files do.
  public static func recognizes(_ bytes: Bytes) -> Bool {
    bytes.count >= 6
      && bytes[0..<6].withUnsafeBytes { $0.elementsEqual(NPYHeader.signature) }
  }

  /// The tensor that a file holds. In C order its elements stay the file's pages; a file in Fortran
  /// order is copied. Bytes behind the elements are ignored.
  ///
  /// - Throws: anything that isn't a tensor of numbers or truth values.
  /// - Complexity: O(header), O(elements) for Fortran order.
  public static func read(_ bytes: Bytes) throws(NPYProblem) -> TensorData {
    guard recognizes(bytes), bytes.count >= 10 else {
      throw NPYProblem("it is not a NumPy file: the signature is missing")
    }
    let prefix = bytes[0..<min(bytes.count, 12)].load(UInt8.self)
    guard (1...3).contains(prefix[6]) else {
      throw NPYProblem("it has version \(prefix[6]).\(prefix[7]) of NumPy's format")
    }
    let start = prefix[6] == 1 ? 10 : 12
    guard prefix.count >= start else { throw NPYProblem("it ends inside its header") }
    let length = prefix[8..<start].reversed().reduce(0) { $0 << 8 | Int($1) }
    guard length <= bytes.count - start else { throw NPYProblem("it ends inside its header") }
    guard length <= 1 << 20 else { throw NPYProblem("its header has \(length) bytes") }
    let text = bytes[start..<start + length].load(UInt8.self)
    let header = try NPYHeader(dictionary: text[...])
    return try tensor(header, bytes[start + length..<bytes.count])
  }

  private static func tensor(_ header: NPYHeader, _ bytes: Bytes) throws(NPYProblem) -> TensorData {
    // Also without elements the other extents have to be reasonable: strides come from them.
    guard let count = TensorData.elementCount(of: header.shape),
      TensorData.elementCount(of: header.shape.filter { $0 != 0 }) != nil,
      let byteCount = header.elementType.byteCount(of: count)
    else { throw NPYProblem("its shape \(header.shape) is too large") }
    guard byteCount <= bytes.count else {
      throw NPYProblem(
        "it has \(bytes.count) bytes of elements, and its shape \(header.shape) asks for "
          + "\(byteCount)")
    }
    let own = bytes[0..<byteCount]
    let isRowMajor = !header.isFortranOrder || header.shape.count(where: { $0 != 1 }) < 2
    return TensorData(
      elementType: header.elementType, dimensions: header.shape,
      storage: .packed(isRowMajor ? own : rowMajor(own, header, count)))
  }

  /// The elements of a tensor in Fortran order with the last axis varying fastest.
  private static func rowMajor(_ bytes: Bytes, _ header: NPYHeader, _ count: Int) -> Bytes {
    guard count > 0 else { return bytes }
    let width = bytes.count / count
    var strides: [Int] = []
    var stride = width
    for extent in header.shape {
      strides.append(stride)
      stride *= extent
    }
    let reordered = [UInt8](unsafeUninitializedCapacity: bytes.count) { target, filled in
      bytes.withUnsafeBytes { source in
        var index = [Int](repeating: 0, count: header.shape.count)
        var place = 0
        for element in 0..<count {
          for byte in 0..<width { target[element * width + byte] = source[place + byte] }
          for axis in header.shape.indices.reversed() {
            index[axis] += 1
            place += strides[axis]
            if index[axis] < header.shape[axis] { break }
            place -= strides[axis] * header.shape[axis]
            index[axis] = 0
          }
        }
      }
      filled = bytes.count
    }
    return Bytes(reordered)
  }
}
