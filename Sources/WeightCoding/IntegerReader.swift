import CKernels

/// Reads packed integers.
public enum IntegerReader {
  /// Puts integers of 8 or 16 bits, little-endian, into an array.
  ///
  /// - Precondition: they fit behind `first`.
  public static func read(
    _ bytes: [UInt8], isWide: Bool, into integers: inout [Int16], at first: Int
  ) {
    let count = isWide ? bytes.count / 2 : bytes.count
    precondition(first >= 0 && count <= integers.count - first)
    bytes.withUnsafeBytes { source in
      integers.withUnsafeMutableBufferPointer { target in
        guard let input = source.baseAddress, let base = target.baseAddress else { return }
        if isWide {
          UnsafeMutableRawBufferPointer(
            rebasing: UnsafeMutableRawBufferPointer(target)[(2 * first)...]
          )
          .copyMemory(from: source)
        } else {
          gs_widen_int8(input.assumingMemoryBound(to: Int8.self), count, base + first)
        }
      }
    }
  }
}
