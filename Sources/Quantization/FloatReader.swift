import CKernels
import ModelGraph
import Support

/// Reads weights of any supported type as float32.
package enum FloatReader {
  /// Bytes of one element.
  static func width(_ type: ElementType) -> Int { type == .float32 ? 4 : 2 }

  /// Lends elements `range` of a tensor as float32. Aligned float32 data is lent where it lies.
  package static func withFloats<Result>(
    _ bytes: Bytes, _ type: ElementType, _ range: Range<Int>,
    _ body: (UnsafeBufferPointer<Float>) -> Result
  ) -> Result {
    let width = width(type)
    let part = bytes[range.lowerBound * width..<range.upperBound * width]
    return part.withUnsafeBytes { raw in
      if type == .float32, Int(bitPattern: raw.baseAddress) % 4 == 0 {
        return body(raw.bindMemory(to: Float.self))
      }
      let floats = UnsafeMutableBufferPointer<Float>.allocate(capacity: range.count)
      defer { floats.deallocate() }
      if type == .float32 {
        UnsafeMutableRawBufferPointer(floats).copyMemory(from: raw)
      } else {
        widen(raw, type, floats)
      }
      return body(UnsafeBufferPointer(floats))
    }
  }

  /// Lends all elements in order, some rows of `rowLength` at a time, so that what has to be copied stays
  /// in the cache.
  static func forEachPart(
    _ bytes: Bytes, _ type: ElementType, rowLength: Int = 1,
    _ body: (_ firstRow: Int, _ floats: UnsafeBufferPointer<Float>) -> Void
  ) {
    let count = bytes.count / width(type)
    let rowLength = max(1, rowLength)
    let length = max(1, (16 << 10) / rowLength) * rowLength
    for first in stride(from: 0, to: count, by: length) {
      withFloats(bytes, type, first..<min(count, first + length)) { body(first / rowLength, $0) }
    }
  }

  /// The largest magnitude; infinite or NaN if an element is.
  static func largestMagnitude(_ bytes: Bytes, _ type: ElementType) -> Float {
    var all: Float = 0
    forEachPart(bytes, type) { _, floats in
      var largest: Float = 0
      guard let base = floats.baseAddress else { return }
      let isFinite = gs_scan(base, floats.count, &largest) != 0
      all = max(all, isFinite ? largest : .infinity)
    }
    return all
  }

  private static func widen(
    _ raw: UnsafeRawBufferPointer, _ type: ElementType, _ floats: UnsafeMutableBufferPointer<Float>
  ) {
    let halves = UnsafeMutableBufferPointer<UInt16>.allocate(capacity: floats.count)
    defer { halves.deallocate() }
    UnsafeMutableRawBufferPointer(halves).copyMemory(from: raw)
    guard let input = halves.baseAddress, let output = floats.baseAddress else { return }
    if type == .float16 {
      gs_widen_half(input, floats.count, output)
    } else {
      gs_widen_bfloat(input, floats.count, output)
    }
  }
}
