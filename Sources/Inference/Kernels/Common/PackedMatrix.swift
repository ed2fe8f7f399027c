import CKernels
import ModelGraph

/// The right side of a matrix product, arranged in panels of columns that lie together in memory.
/// Never changes once made.
struct PackedMatrix: Sendable {
  /// Terms of each sum, and columns of the result.
  let depth, columns: Int
  private let panels: Tensor

  /// Arranges element (l, j), which lies at `elements[l * rowStride + j * columnStride]`.
  ///
  /// - Complexity: O(depth · columns).
  init(
    _ elements: UnsafePointer<Float>, depth: Int, columns: Int, rowStride: Int, columnStride: Int,
    pool: BufferPool
  ) throws {
    self.depth = depth
    self.columns = columns
    let count = gs_packed_count(depth, columns)
    panels = Tensor(.float32, [count], storage: try pool.storage(byteCount: count * 4))
    gs_pack_panels(
      depth, columns, elements, rowStride, columnStride,
      panels.storage.base.assumingMemoryBound(to: Float.self))
  }

  /// Computes `rows` rows of left · this into `result`, or adds them to what is there.
  ///
  /// - Parameters:
  ///   - left: row-major rows of `depth` elements.
  ///   - rowStride: from one row of the result to the next.
  func multiply(
    _ left: UnsafePointer<Float>, rows: Int, into result: UnsafeMutablePointer<Float>,
    rowStride: Int, adding: Bool = false
  ) {
    panels.withUnsafeBytes { bytes in
      guard let packed = bytes.bindMemory(to: Float.self).baseAddress else { return }
      gs_matmul_packed(
        rows, columns, depth, left, depth, 1, packed, result, rowStride, adding ? 1 : 0)
    }
  }
}
