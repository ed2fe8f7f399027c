import CKernels
import ModelGraph
import Support

extension Resampling {
  /// Resamples a tensor; the result keeps its layout.
  ///
  /// - Throws: shapes that cannot be.
  func apply(to tensor: Tensor, _ axes: [ResizedAxis], _ context: RunContext) throws -> Tensor {
    let shape = axes.map(\.target)
    guard let count = TensorData.elementCount(of: shape), count < 1 << 46,
      tensor.shape.allSatisfy({ $0 < 1 << 31 })
    else { throw KernelProblem("a tensor of shape \(shape) is too large") }
    if axes.allSatisfy(\.isUnchanged) { return tensor }
    guard count > 0 else {
      return try context.allocate(tensor.elementType, shape, layout: tensor.layout)
    }
    guard tensor.count > 0 else {
      throw KernelProblem("a tensor without elements cannot become one of shape \(shape)")
    }
    let physical = tensor.layout.axisOrder(rank: tensor.rank).map { axes[$0] }
    let result = try context.allocate(tensor.elementType, shape, layout: tensor.layout)
    if interpolation == .nearest {
      try pick(tensor, physical, into: result, context)
    } else {
      try interpolate(tensor, physical, into: result, context)
    }
    try fillOutside(result, physical)
    return result
  }

  private func interpolate(
    _ tensor: Tensor, _ axes: [ResizedAxis], into result: Tensor, _ context: RunContext
  ) throws {
    switch tensor.elementType {
    case .float32:
      try interpolateFloats(tensor, axes, into: result, context)
    case .float16, .bfloat16:
      let wide = try context.allocate(.float32, result.shape, layout: result.layout)
      try interpolateFloats(tensor.widened(context), axes, into: wide, context)
      let narrow = try wide.narrowed(to: tensor.elementType, context)
      result.storage.base.copyMemory(from: narrow.storage.base, byteCount: narrow.byteCount)
    default:
      try tensor.elementType.visitNumber(
        NumberInterpolation(
          resampling: self, tensor: tensor, axes: axes, result: result, context: context))
    }
  }

  /// Axis by axis, the last two at once.
  private func interpolateFloats(
    _ tensor: Tensor, _ axes: [ResizedAxis], into result: Tensor, _ context: RunContext
  ) throws {
    let changed = axes.indices.filter { !axes[$0].isUnchanged }
    guard let last = changed.last else { return }
    let pair = changed.count > 1 && changed[changed.count - 2] == last - 1
    var shape = axes.map(\.source)
    var current = tensor
    for axis in changed.dropLast(pair ? 2 : 1) {
      shape[axis] = axes[axis].target
      let next = try context.allocate(.float32, shape)
      try resampleAxis(axis, axes[axis], current, next, context)
      current = next
    }
    if pair {
      try resamplePlanes(last, axes, current, result, context)
    } else {
      try resampleAxis(last, axes[last], current, result, context)
    }
  }

  /// Resamples one axis; shapes but that axis' extent may be those of any step on the way.
  private func resampleAxis(
    _ axis: Int, _ change: ResizedAxis, _ source: Tensor, _ result: Tensor, _ context: RunContext
  ) throws {
    let samples = try samples(change, context)
    let physical = result.layout.physicalShape(result.shape)
    let inner = physical[(axis + 1)...].reduce(1, *)
    let outer = result.count / (change.target * inner)
    nonisolated(unsafe) let input = source.storage.base.assumingMemoryBound(to: Float.self)
    nonisolated(unsafe) let output = result.storage.base.assumingMemoryBound(to: Float.self)
    try context.forEach(outer, cost: change.target * inner * samples.taps) { index in
      gs_resample_row(
        input + index * change.source * inner, inner, samples.lent,
        output + index * change.target * inner)
    }
  }

  /// Resamples the axes `columnAxis - 1` and `columnAxis`, in runs of rows.
  private func resamplePlanes(
    _ columnAxis: Int, _ axes: [ResizedAxis], _ source: Tensor, _ result: Tensor,
    _ context: RunContext
  ) throws {
    let (rowChange, columnChange) = (axes[columnAxis - 1], axes[columnAxis])
    let rows = try samples(rowChange, context)
    let columns = try samples(columnChange, context)
    let inner = axes[(columnAxis + 1)...].reduce(1) { $0 * $1.target }
    let width = columnChange.target * inner
    let plane = rowChange.target * width
    let sourcePlane = rowChange.source * columnChange.source * inner
    let runs = RowRuns(rows: rowChange.target, width: width)
    nonisolated(unsafe) let input = source.storage.base.assumingMemoryBound(to: Float.self)
    nonisolated(unsafe) let output = result.storage.base.assumingMemoryBound(to: Float.self)
    try context.forEach(result.count / plane * runs.count, cost: runs.length * width * rows.taps) {
      index in
      let (plane, range) = (index / runs.count * plane, runs[index % runs.count])
      let sourceStart = index / runs.count * sourcePlane
      withUnsafeTemporaryAllocation(of: Float.self, capacity: rows.taps * width) { scratch in
        withUnsafeTemporaryAllocation(of: Int64.self, capacity: rows.taps) { cached in
          gs_resample_plane(
            input + sourceStart, columnChange.source, inner, rows.lent, columns.lent,
            range.lowerBound, range.upperBound, scratch.baseAddress, cached.baseAddress,
            output + plane)
        }
      }
    }
  }

  private func fillOutside(_ result: Tensor, _ axes: [ResizedAxis]) throws {
    for (axis, change) in axes.enumerated() {
      let positions = positionsOutside(change)
      guard !positions.isEmpty else { continue }
      let inner = axes[(axis + 1)...].reduce(1) { $0 * $1.target }
      try result.elementType.visitNumberOrHalf(
        SlabFill(
          result: result, positions: positions, extent: change.target, inner: inner,
          value: extrapolationValue))
    }
  }
}

extension ResizedAxis {
  /// Whether every element stays where it is.
  var isUnchanged: Bool { scale == 1 && source == target }
}

/// The rows of a plane in runs that are worth a worker's while.
struct RowRuns: Sendable {
  private let rows: Int
  /// Rows in all runs but the last.
  let length: Int
  /// How many runs there are.
  let count: Int

  init(rows: Int, width: Int) {
    self.rows = rows
    length = max(8, (1 << 15) / max(1, width))
    count = (rows + length - 1) / length
  }

  subscript(index: Int) -> Range<Int> {
    index * length..<min(rows, (index + 1) * length)
  }
}

/// Sets whole slabs across one axis to one number.
private struct SlabFill: NumberVisitor {
  let result: Tensor
  let positions: [Int]
  let extent: Int
  let inner: Int
  let value: Float

  func visit<Element: NumberElement>(_ type: Element.Type) {
    fill(Element(converting: Double(value)))
  }

  func fill<Element: TensorElement>(_ value: Element) {
    let elements = result.mutableElements(Element.self)
    for outer in 0..<result.count / (extent * inner) {
      for position in positions {
        let start = (outer * extent + position) * inner
        for index in start..<start + inner { elements[index] = value }
      }
    }
  }
}

extension ElementType {
  fileprivate func visitNumberOrHalf(_ fill: SlabFill) throws {
    switch self {
    case .float16: fill.fill(fill.value.halfBits)
    case .bfloat16: fill.fill(fill.value.bfloatBits)
    case .bool: fill.fill(UInt8(fill.value != 0 ? 1 : 0))
    default: try visitNumber(fill)
    }
  }
}
