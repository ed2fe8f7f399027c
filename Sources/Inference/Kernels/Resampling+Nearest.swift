import CKernels
import ModelGraph

extension Resampling {
  /// Nearest-neighbour resampling of elements of any type. Axes are in memory order.
  func pick(
    _ tensor: Tensor, _ axes: [ResizedAxis], into result: Tensor, _ context: RunContext
  ) throws {
    guard let width = tensor.elementType.memoryWidth,
      let last = axes.lastIndex(where: { !$0.isUnchanged })
    else { return }
    let columns = try nearestIndices(axes[last], context)
    let rowAxis = last > 0 ? axes[last - 1] : ResizedAxis(unchanged: 1)
    let rows = try nearestIndices(rowAxis, context)
    let inner = axes[(last + 1)...].reduce(width) { $0 * $1.target }
    let planes = try sourcePlanes(Array(axes.prefix(max(0, last - 1))), context)
    let plane = rowAxis.target * axes[last].target * inner
    let sourcePlane = rowAxis.source * axes[last].source * inner
    let runs = RowRuns(rows: rowAxis.target, width: axes[last].target * inner)
    let change = axes[last]
    nonisolated(unsafe) let input = tensor.storage.base
    nonisolated(unsafe) let output = result.storage.base
    nonisolated(unsafe) let (rowIndices, columnIndices) = (rows, columns)
    nonisolated(unsafe) let places = planes
    try context.forEach(planes.count * runs.count, cost: runs.length * change.target) { index in
      let range = runs[index % runs.count]
      gs_pick_plane(
        input + Int(places[index / runs.count]) * sourcePlane, change.source, inner,
        rowIndices.baseAddress, columnIndices.baseAddress, change.target,
        range.lowerBound, range.upperBound, output + index / runs.count * plane)
    }
  }

  private func nearestIndices(
    _ axis: ResizedAxis, _ context: RunContext
  ) throws -> UnsafeMutableBufferPointer<Int32> {
    let indices = try context.scratch(Int32.self, axis.target)
    for position in 0..<axis.target {
      indices[position] = Int32(
        axis.isUnchanged ? position : nearest(coordinate(position, axis), axis))
    }
    return indices
  }

  /// For every combination of positions on the leading axes the number of the source plane.
  private func sourcePlanes(
    _ axes: [ResizedAxis], _ context: RunContext
  ) throws -> UnsafeMutableBufferPointer<Int64> {
    var planes = try context.scratch(Int64.self, 1)
    planes[0] = 0
    for axis in axes {
      let indices = try nearestIndices(axis, context)
      let next = try context.scratch(Int64.self, planes.count, axis.target)
      for (outer, plane) in planes.enumerated() {
        for position in 0..<axis.target {
          next[outer * axis.target + position] =
            plane * Int64(axis.source) + Int64(indices[position])
        }
      }
      planes = next
    }
    return planes
  }
}
