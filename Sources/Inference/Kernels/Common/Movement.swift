import CKernels
import ModelGraph

/// A copy of elements from one arrangement in memory to another: for every index of `extents`, the
/// element at `index . from` goes to `index . to`. Strides count elements.
struct Movement {
  var extents: [Int]
  var from: [Int]
  var to: [Int]

  /// Copies, on all workers where it is much. The results' strides are neither 0 nor such that two
  /// elements meet.
  ///
  /// - Complexity: O(elements), near the speed of memory.
  func run(
    _ source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, width: Int,
    _ context: RunContext
  ) throws {
    let bytes = extents.reduce(width, &*)
    if context.workers.workerCount > 1, bytes >= 1 << 18, let axis = axisToSplit(context) {
      try runSplit(source, to: target, width: width, axis: axis, bytes: bytes, context)
    } else {
      gs_move(source, from, target, to, extents, extents.count, width)
    }
  }

  private func axisToSplit(_ context: RunContext) -> Int? {
    let wanted = context.workers.workerCount * 2
    return extents.indices.max { left, right in
      let (a, b) = (min(extents[left], wanted), min(extents[right], wanted))
      return a == b ? abs(to[left]) < abs(to[right]) : a < b
    }
  }

  private func runSplit(
    _ source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, width: Int, axis: Int,
    bytes: Int, _ context: RunContext
  ) throws {
    let parts = max(1, min(extents[axis], context.workers.workerCount * 4))
    nonisolated(unsafe) let (source, target) = (source, target)
    try context.forEach(parts, cost: bytes / parts) { part in
      let begin = extents[axis] * part / parts
      var chunk = extents
      chunk[axis] = extents[axis] * (part + 1) / parts - begin
      gs_move(
        source + begin * from[axis] * width, from, target + begin * to[axis] * width, to, chunk,
        chunk.count, width)
    }
  }
}

/// Copies `rows` runs of `run` bytes, on all workers where it is much.
func moveRows(
  _ source: UnsafeRawPointer, stride: Int, to target: UnsafeMutableRawPointer,
  stride outStride: Int,
  rows: Int, run: Int, _ context: RunContext
) throws {
  if context.workers.workerCount > 1, rows &* run >= 1 << 18 {
    let movement = Movement(extents: [rows, run], from: [stride, 1], to: [outStride, 1])
    try movement.run(source, to: target, width: 1, context)
  } else {
    gs_move_rows(source, stride, target, outStride, rows, run)
  }
}

/// Elements between neighbours along each of ONNX's axes, for a dense tensor in a layout.
func elementStrides(_ shape: [Int], _ layout: Layout = .rowMajor) -> [Int] {
  var strides = [Int](repeating: 1, count: shape.count)
  var step = 1
  if layout == .channelsLast {
    step = shape[1]
    for axis in (2..<shape.count).reversed() {
      strides[axis] = step
      step &*= shape[axis]
    }
    strides[0] = step
    return strides
  }
  for axis in shape.indices.reversed() {
    strides[axis] = step
    step &*= shape[axis]
  }
  return strides
}

extension Tensor {
  /// Elements between neighbours along each of ONNX's axes.
  var strides: [Int] { elementStrides(shape, layout) }

  /// Bytes of one element.
  var width: Int { elementType.memoryWidth ?? 1 }

  /// Where the elements begin.
  var start: UnsafeRawPointer { UnsafeRawPointer(storage.base) }

  /// Where the elements of a tensor just made begin.
  var target: UnsafeMutableRawPointer { storage.base }

  /// The same elements under a shape with as many of them. Channels-last order is kept where the
  /// first two axes are.
  ///
  /// - Precondition: equal counts.
  func viewed(_ shape: [Int], _ context: RunContext) throws -> Tensor {
    if layout == .channelsLast, shape.count >= 3, shape[0] == self.shape[0],
      shape[1] == self.shape[1]
    {
      return Tensor(elementType, shape, layout: layout, storage: storage)
    }
    return try converted(to: .rowMajor, context).reshaped(shape)
  }

  /// A copy, which may be written to.
  func copied(_ context: RunContext) throws -> Tensor {
    let result = try context.allocate(elementType, shape, layout: layout)
    result.target.copyMemory(from: start, byteCount: byteCount)
    return result
  }
}
