import ModelGraph

/// Shapes of results, as far as they follow from shapes of inputs.
enum ShapeRules {
  typealias Shape = [Int?]

  static func shapes(of node: Node, inputs: [ValueFacts?]) -> [Shape?] {
    func shape(_ index: Int) -> Shape? { index < inputs.count ? inputs[index]?.shape : nil }
    func integers(_ index: Int) -> [Int64]? { index < inputs.count ? inputs[index]?.integers : nil }
    switch node.operatorType {
    case "Constant": return [FactRules.constant(of: node)?.dimensions]
    case "Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Mod", "Equal", "Greater", "Less",
      "GreaterOrEqual", "LessOrEqual", "And", "Or", "Xor", "Where", "Sum", "Mean", "PRelu":
      return [broadcast(inputs.map { $0?.shape })]
    case "Shape":
      return [shape(0).map { [slice($0.count, node).count] }]
    case "Size": return [[]]
    case "Conv", "MaxPool", "AveragePool", "LpPool", "ConvTranspose", "GlobalAveragePool",
      "GlobalMaxPool", "Resize":
      return WindowShapes.shapes(of: node, inputs: inputs)
    case "MatMul": return [product(shape(0), shape(1))]
    case "Gemm":
      guard let a = shape(0), let b = shape(1), a.count == 2, b.count == 2 else { return [nil] }
      return [
        [
          (node.int("transA") ?? 0) != 0 ? a[1] : a[0],
          (node.int("transB") ?? 0) != 0 ? b[0] : b[1],
        ]
      ]
    case "Transpose":
      guard let x = shape(0) else { return [nil] }
      let order = node.ints("perm")?.map { Int($0) } ?? Array(x.indices.reversed())
      return [order.allSatisfy(x.indices.contains) ? order.map { x[$0] } : nil]
    case "Flatten":
      guard let x = shape(0) else { return [[nil, nil]] }
      let axis = Int(node.int("axis") ?? 1)
      let at = axis < 0 ? axis + x.count : axis
      guard (0...x.count).contains(at) else { return [nil] }
      return [[product(x[..<at]), product(x[at...])]]
    case "Reshape": return [reshaped(shape(0), inputs.count > 1 ? inputs[1] : nil, node)]
    case "Unsqueeze": return [unsqueezed(shape(0), integers(1))]
    case "Squeeze": return [squeezed(shape(0), inputs.count > 1 ? integers(1) : [], node)]
    case "Expand", "ConstantOfShape":
      let at = node.operatorType == "Expand" ? 1 : 0
      let wanted = inputs.count > at ? inputs[at] : nil
      let extents: Shape? =
        wanted?.contents.map { $0.map { $0.flatMap { Int(exactly: $0) } } }
        ?? (wanted?.shape?.first.flatMap { $0 }).map {
          Array(repeating: nil, count: max(0, min($0, 64)))
        }
      return [at == 1 ? broadcast([shape(0), extents]) : extents]
    case "Concat": return [concatenated(inputs, node)]
    case "Gather":
      guard let x = shape(0), let indices = shape(1),
        let axis = axis(node.int("axis") ?? 0, rank: x.count)
      else { return [nil] }
      return [Array(x[..<axis]) + indices + Array(x[(axis + 1)...])]
    case "Slice": return [sliced(shape(0), inputs)]
    case "Split": return split(node, inputs)
    case "ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2",
      "ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp":
      return [reduced(shape(0), inputs, node)]
    case "Pad": return [padded(shape(0), integers(1), hasAxes: inputs.count > 3)]
    case "Tile": return [shape(0).map { Array(repeating: nil, count: $0.count) }]
    case "LSTM", "GRU", "RNN":
      let x = shape(0).flatMap { $0.count == 3 ? $0 : nil } ?? [nil, nil, nil]
      let ways = node.string("direction") == "bidirectional" ? 2 : 1
      let hidden = node.int("hidden_size").flatMap { Int(exactly: $0) }
      let isTurned = (node.int("layout") ?? 0) != 0
      let state: Shape = isTurned ? [nil, nil, nil] : [ways, x[1], hidden]
      return [isTurned ? [nil, nil, nil, nil] : [x[0], ways, x[1], hidden], state, state]
    case "ArgMax", "ArgMin", "Range", "Loop", "If", "Scan", "Compress", "Unique": return []
    case "Einsum": return [EinsumForm.shape(of: node, inputs: inputs)]
    default:
      if let shapes = IndexShapes.shapes(of: node, inputs: inputs) { return shapes }
      return node.outputs.indices.map { $0 == 0 ? shape(0) : nil }
    }
  }

  /// An axis from 0 on; nil for one that the rank doesn't have.
  static func axis(_ axis: Int64, rank: Int) -> Int? {
    guard let value = Int(exactly: axis) else { return nil }
    let positive = value < 0 ? value + rank : value
    return (0..<rank).contains(positive) ? positive : nil
  }

  /// Which axes a Shape node tells.
  static func slice(_ rank: Int, _ node: Node) -> Range<Int> {
    func bound(_ value: Int64?, _ otherwise: Int) -> Int {
      guard let value = value.map({ Int(clamping: $0) }) else { return otherwise }
      return max(0, min(rank, value < 0 ? max(value, -rank) + rank : value))
    }
    let start = bound(node.int("start"), 0)
    return start..<max(start, bound(node.int("end"), rank))
  }

  static func broadcast(_ shapes: [Shape?]) -> Shape? {
    let known = shapes.compactMap { $0 }
    guard known.count == shapes.count else { return nil }
    let rank = known.map(\.count).max() ?? 0
    return (0..<rank).map { index in
      let extents = known.compactMap { shape -> Int?? in
        let at = index - rank + shape.count
        return at >= 0 ? .some(shape[at]) : nil
      }
      if let extent = extents.compactMap({ $0 }).first(where: { $0 != 1 }) { return extent }
      return extents.contains { $0 == nil } ? nil : 1
    }
  }

  private static func product(_ extents: ArraySlice<Int?>) -> Int? {
    var result = 1
    for extent in extents {
      guard let extent else { return nil }
      let (next, overflow) = result.multipliedReportingOverflow(by: extent)
      guard !overflow else { return nil }
      result = next
    }
    return result
  }

  private static func product(_ a: Shape?, _ b: Shape?) -> Shape? {
    guard let a, let b, a.count >= 2, b.count >= 2 else { return nil }
    guard let batch = broadcast([Array(a.dropLast(2)), Array(b.dropLast(2))]) else { return nil }
    return batch + [a[a.count - 2], b[b.count - 1]]
  }

  private static func reshaped(_ x: Shape?, _ wanted: ValueFacts?, _ node: Node) -> Shape? {
    guard let contents = wanted?.contents else {
      return (wanted?.shape?.first.flatMap { $0 }).flatMap {
        $0 <= 64 ? Array(repeating: nil, count: max(0, $0)) : nil
      }
    }
    var shape: Shape = contents.enumerated().map { index, extent in
      guard let extent, extent != -1 else { return nil }
      if extent == 0, (node.int("allowzero") ?? 0) == 0 {
        return x.flatMap { index < $0.count ? $0[index] : nil }
      }
      return Int(exactly: extent)
    }
    if let open = contents.firstIndex(of: -1), let x, let total = product(x[...]),
      !contents.contains(nil)
    {
      var rest = shape
      rest.remove(at: open)
      if let known = product(rest[...]), known > 0 { shape[open] = total / known }
    }
    return shape
  }

  private static func unsqueezed(_ x: Shape?, _ axes: [Int64]?) -> Shape? {
    guard let x, let axes else { return nil }
    let rank = x.count + axes.count
    let places = Set(axes.compactMap { axis($0, rank: rank) })
    guard places.count == axes.count else { return nil }
    var rest = x.makeIterator()
    return (0..<rank).map { places.contains($0) ? 1 : rest.next() ?? nil }
  }

  private static func squeezed(_ x: Shape?, _ axes: [Int64]?, _ node: Node) -> Shape? {
    guard let x, let axes else { return nil }
    if axes.isEmpty { return x.contains(nil) ? nil : x.filter { $0 != 1 } }
    let places = Set(axes.compactMap { axis($0, rank: x.count) })
    return x.indices.filter { !places.contains($0) }.map { x[$0] }
  }

  private static func concatenated(_ inputs: [ValueFacts?], _ node: Node) -> Shape? {
    let shapes = inputs.compactMap { $0?.shape }
    guard let first = shapes.first, let axis = axis(node.int("axis") ?? 0, rank: first.count),
      shapes.allSatisfy({ $0.count == first.count })
    else { return nil }
    var result = first
    for index in result.indices {
      result[index] = shapes.lazy.compactMap { $0[index] }.first
    }
    let parts = shapes.compactMap { $0[axis] }
    result[axis] =
      parts.count == inputs.count
      ? parts.reduce(0) { $0.addingReportingOverflow($1).partialValue } : nil
    return result
  }

  private static func sliced(_ x: Shape?, _ inputs: [ValueFacts?]) -> Shape? {
    guard var result = x else { return nil }
    func integers(_ index: Int) -> [Int64]? { index < inputs.count ? inputs[index]?.integers : nil }
    let axes: [Int64]? = inputs.count > 3 ? integers(3) : Array(0..<Int64(result.count))
    guard let axes else { return Array(repeating: nil, count: result.count) }
    let starts = integers(1)
    let ends = integers(2)
    let steps = inputs.count > 4 ? integers(4) : axes.map { _ in 1 }
    for (index, entry) in axes.enumerated() {
      guard let axis = axis(entry, rank: result.count) else { return nil }
      guard let extent = result[axis], let starts, let ends, let steps, index < starts.count,
        index < ends.count, index < steps.count
      else {
        result[axis] = nil
        continue
      }
      result[axis] =
        SliceRange(
          extent: extent, start: starts[index], end: ends[index], step: steps[index])?.count
    }
    return result
  }

  private static func padded(_ x: Shape?, _ widths: [Int64]?, hasAxes: Bool) -> Shape? {
    guard let x else { return nil }
    return x.indices.map { axis in
      guard let extent = x[axis], let widths, !hasAxes, widths.count == 2 * x.count else {
        return nil
      }
      let limit: Int64 = 1 << 40
      let borders = [widths[axis], widths[x.count + axis]]
      guard borders.allSatisfy({ (-limit...limit).contains($0) }), extent < Int(limit) else {
        return nil
      }
      return max(0, extent + Int(borders[0] + borders[1]))
    }
  }

  private static func split(_ node: Node, _ inputs: [ValueFacts?]) -> [Shape?] {
    guard let x = inputs.first??.shape, let axis = axis(node.int("axis") ?? 0, rank: x.count)
    else { return [] }
    let sizes = inputs.count > 1 ? inputs[1]?.integers : nil
    return node.outputs.indices.map { index in
      var shape = x
      shape[axis] = sizes.flatMap { index < $0.count ? Int(exactly: $0[index]) : nil }
      return shape
    }
  }

  private static func reduced(_ x: Shape?, _ inputs: [ValueFacts?], _ node: Node) -> Shape? {
    guard let x else { return nil }
    let keeps = (node.int("keepdims") ?? 1) != 0
    let given = inputs.count > 1 ? inputs[1] : nil
    if given != nil, given?.integers == nil {
      return keeps ? Array(repeating: nil, count: x.count) : nil
    }
    var axes = Set((given?.integers ?? []).compactMap { axis($0, rank: x.count) })
    if axes.isEmpty { axes = Set(x.indices) }
    return keeps
      ? x.indices.map { axes.contains($0) ? 1 : x[$0] }
      : x.indices.filter { !axes.contains($0) }.map { x[$0] }
  }
}
