import CKernels

/// Where a block of elements lies in a tensor's memory: an offset and a stride for each axis, in
/// elements.
struct StridedPlace {
  var offset = 0
  var strides: [Int]

  /// A whole tensor, whatever its layout.
  init(_ tensor: Tensor) { strides = elementStrides(tensor.shape, tensor.layout) }

  /// Given strides.
  init(offset: Int = 0, strides: [Int]) {
    self.offset = offset
    self.strides = strides
  }
}

/// Copies a block of elements from one tensor's memory to another's.
///
/// - Precondition: both places lie inside their tensors for all of `shape`.
/// - Complexity: O(elements), near the speed of memory.
func copyBlock(
  _ shape: [Int], from source: Tensor, _ from: StridedPlace, to target: Tensor, _ to: StridedPlace
) {
  guard let width = source.elementType.memoryWidth, !shape.contains(0) else { return }
  gs_move(
    source.storage.base + from.offset * width, from.strides,
    target.storage.base + to.offset * width, to.strides, shape, shape.count, width)
}
