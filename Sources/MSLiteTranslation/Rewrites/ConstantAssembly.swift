import ModelGraph
import Support

/// What Concat and Slice make of float constants: exporters put the weights of a layer together from
/// those of its gates, and the runtime can't do so with integers.
struct ConstantAssembly {
  /// Bytes that may yet be made: a constant can be put beside itself again and again.
  private var room: Int

  /// Allows twice the bytes of a graph's constants, and some more.
  init(for graph: Graph) {
    let bytes = graph.constants.reduce(1 << 20) { $0 + 2 * ($1.constant?.byteCount ?? 0) }
    room = min(bytes, 4 << 30)
  }

  /// A node's result, if it is such a constant.
  ///
  /// - Complexity: O(bytes of the result).
  mutating func result(of node: Node) -> TensorData? {
    let made =
      switch node.operatorType {
      case "Concat": joined(node)
      case "Slice": cut(node)
      default: nil as TensorData?
      }
    if let made { room -= made.byteCount }
    return made
  }

  private func joined(_ node: Node) -> TensorData? {
    let parts = node.inputs.compactMap { $0.flatMap(ConstantAssembly.floats) }
    guard parts.count == node.inputs.count, let first = parts.first,
      let axis = node.int("axis").flatMap({ ShapeRules.axis($0, rank: first.dimensions.count) })
    else { return nil }
    var extents = first.dimensions
    extents[axis] = 0
    for part in parts {
      var other = part.dimensions
      guard part.elementType == first.elementType, other.count == extents.count else { return nil }
      let extent = other[axis]
      other[axis] = extents[axis]
      guard other == extents else { return nil }
      extents[axis] += extent
    }
    let total = parts.reduce(0) { $0 + $1.byteCount }
    guard total <= room else { return nil }
    let rows = extents[..<axis].reduce(1, *)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(total)
    for row in 0..<rows {
      for case let packed? in parts.map(\.packed) {
        let length = packed.count / rows
        packed[row * length..<(row + 1) * length].withUnsafeBytes { bytes.append(contentsOf: $0) }
      }
    }
    return TensorData(
      elementType: first.elementType, dimensions: extents, storage: .packed(Bytes(bytes)))
  }

  private func cut(_ node: Node) -> TensorData? {
    guard let source = node.inputs.first.flatMap({ $0.flatMap(ConstantAssembly.floats) }),
      let packed = source.packed, let indices = ConstantAssembly.indices(node, source.dimensions)
    else { return nil }
    let extents = indices.map(\.count)
    let width = source.elementCount > 0 ? packed.count / source.elementCount : 0
    guard let count = TensorData.elementCount(of: extents), count > 0, count * width <= room else {
      return nil
    }
    var inner = extents.count
    while inner > 0, indices[inner - 1] == Array(0..<source.dimensions[inner - 1]) { inner -= 1 }
    guard inner > 0 else { return source }
    let axis = inner - 1
    let block = extents[inner...].reduce(width, *)
    let runs = ConstantAssembly.runs(indices[axis])
    var places = [0]
    for outer in 0..<axis {
      places = places.flatMap { place in
        indices[outer].map { place * source.dimensions[outer] + $0 }
      }
    }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count * width)
    packed.withUnsafeBytes { all in
      for place in places {
        let start = place * source.dimensions[axis]
        for run in runs {
          bytes.append(
            contentsOf: all[(start + run.lowerBound) * block..<(start + run.upperBound) * block])
        }
      }
    }
    return TensorData(
      elementType: source.elementType, dimensions: extents, storage: .packed(Bytes(bytes)))
  }

  /// Indices as ranges of consecutive ones.
  private static func runs(_ indices: [Int]) -> [Range<Int>] {
    var runs: [Range<Int>] = []
    for index in indices {
      if let last = runs.last, last.upperBound == index {
        runs[runs.count - 1] = last.lowerBound..<index + 1
      } else {
        runs.append(index..<index + 1)
      }
    }
    return runs
  }

  /// The indices that a Slice with constant bounds takes along each axis.
  private static func indices(_ node: Node, _ extents: [Int]) -> [[Int]]? {
    func integers(_ index: Int) -> [Int64]? { node.operandIfAny(index)?.constant?.integers }
    guard let starts = integers(1), let ends = integers(2) else { return nil }
    let axes = node.operandIfAny(3) == nil ? Array(0..<Int64(starts.count)) : integers(3)
    let steps = node.operandIfAny(4) == nil ? starts.map { _ in 1 } : integers(4)
    guard let axes, let steps,
      [ends, axes, steps].allSatisfy({ $0.count == starts.count })
    else { return nil }
    var ranges = extents.map { Array(0..<$0) }
    for (index, axis) in axes.enumerated() {
      guard let axis = ShapeRules.axis(axis, rank: extents.count),
        let range = SliceRange(
          extent: extents[axis], start: starts[index], end: ends[index], step: steps[index])
      else { return nil }
      ranges[axis] = range.indices
    }
    return ranges
  }

  private static func floats(_ value: Value) -> TensorData? {
    guard !value.isOverridable, let data = value.constant, data.elementType.isQuantizableFloat
    else { return nil }
    return data
  }
}
