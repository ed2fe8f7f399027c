import CKernels

/// Where a block of elements lies in a tensor's memory: an offset and a stride for each axis, in
/// elements.
struct StridedPlace {
  var offset = 0
  var strides: [Int]

  /// A whole tensor, axis by axis as its shape says, whatever its layout.
  init(_ tensor: Tensor) {
    let order = tensor.layout.axisOrder(rank: tensor.rank)
    strides = [Int](repeating: 1, count: tensor.rank)
    var step = 1
    for axis in order.reversed() {
      strides[axis] = step
      step *= tensor.shape[axis]
    }
  }

  /// Given strides.
  init(offset: Int = 0, strides: [Int]) {
    self.offset = offset
    self.strides = strides
  }
}

/// Copies a block of elements from one tensor's memory to another's.
///
/// - Precondition: both places lie inside their tensors for all of `shape`; at most 16 axes have
///   more than one element.
/// - Complexity: O(elements), runs at the speed of memory.
func copyBlock(
  _ shape: [Int], from source: Tensor, _ from: StridedPlace, to target: Tensor, _ to: StridedPlace
) {
  guard let width = source.elementType.memoryWidth, !shape.contains(0) else { return }
  let axes = shape.indices.filter { shape[$0] != 1 }
  precondition(axes.count <= 16)
  let extents = axes.map { Int64(shape[$0]) }
  let outStrides = axes.map { Int64(to.strides[$0]) }
  let inStrides = axes.map { Int64(from.strides[$0]) }
  gs_copy_strided(
    target.storage.base + to.offset * width, source.storage.base + from.offset * width, axes.count,
    extents, outStrides, inStrides, width)
}

/// Refuses tensors with more axes than the copying kernels take.
func checkRank(_ rank: Int) throws {
  guard rank <= 16 else {
    throw KernelProblem(lacking: "tensors with \(rank) axes are not supported")
  }
}
