import CKernels
import ModelGraph

extension Tensor {
  /// The same elements in another order in memory; this tensor itself where the bytes are the same.
  ///
  /// - Complexity: O(elements), one pass.
  func converted(to wanted: Layout, _ context: RunContext) -> Tensor {
    guard wanted != layout else { return self }
    if Layout.coincide(for: shape) { return relabelled(wanted) }
    let result = context.allocate(elementType, shape, layout: wanted)
    let channels = shape[1]
    let positions = shape[2...].reduce(1, *)
    let (rows, columns) = layout == .rowMajor ? (channels, positions) : (positions, channels)
    let width = elementType.memoryWidth ?? 1
    for sample in 0..<shape[0] {
      let offset = sample * channels * positions * width
      gs_transpose(
        storage.base + offset, rows, columns, width, result.storage.base + offset)
    }
    return result
  }
}
