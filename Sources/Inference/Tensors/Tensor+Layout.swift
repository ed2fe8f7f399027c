import CKernels
import ModelGraph

extension Tensor {
  /// The same elements in another order in memory; this tensor itself where the bytes are the same.
  ///
  /// - Complexity: O(elements), one pass.
  func converted(to wanted: Layout, _ context: RunContext) throws -> Tensor {
    guard wanted != layout else { return self }
    if Layout.coincide(for: shape) { return relabelled(wanted) }
    let result = try context.allocate(elementType, shape, layout: wanted)
    writeInOtherLayout(to: result.storage.base)
    return result
  }

  /// The elements' bytes, row-major whatever the layout.
  var rowMajorBytes: [UInt8] {
    if layout == .rowMajor || Layout.coincide(for: shape) { return withUnsafeBytes { Array($0) } }
    return [UInt8](unsafeUninitializedCapacity: byteCount) { bytes, count in
      if let base = bytes.baseAddress { writeInOtherLayout(to: UnsafeMutableRawPointer(base)) }
      count = byteCount
    }
  }

  /// Writes row-major elements channels-last, and the other way round.
  private func writeInOtherLayout(to target: UnsafeMutableRawPointer) {
    let channels = shape[1]
    let positions = shape[2...].reduce(1, *)
    let (rows, columns) = layout == .rowMajor ? (channels, positions) : (positions, channels)
    let width = elementType.memoryWidth ?? 1
    for sample in 0..<shape[0] {
      let offset = sample * channels * positions * width
      gs_transpose_strided(
        storage.base + offset, columns * width, target + offset, rows * width, rows, columns, width)
    }
  }
}
