import ModelGraph

/// The elements of short integer tensors, which say shapes, followed from node to node.
enum ContentRules {
  typealias Contents = [Int64?]

  static func contents(of node: Node, inputs: [ValueFacts?]) -> Contents? {
    func contents(_ index: Int) -> Contents? {
      index < inputs.count ? inputs[index]?.contents : nil
    }
    switch node.operatorType {
    case "Constant":
      return FactRules.constant(of: node).flatMap(ValueFacts.contents)
    case "Shape":
      guard let shape = inputs.first??.shape else { return nil }
      return shape[ShapeRules.slice(shape.count, node)].map { $0.map { Int64($0) } }
    case "Identity", "Reshape", "Squeeze", "Unsqueeze", "Flatten": return contents(0)
    case "Cast":
      let type = node.int("to").map { ElementType(onnxCode: $0) }
      if type == .bool { return contents(0)?.map { $0.map { $0 == 0 ? 0 : 1 } } }
      return type == .int64 || type == .int32 ? contents(0) : nil
    case "Equal": return combined(contents(0), contents(1)) { ($0 == $1 ? 1 : 0, false) }
    case "Greater": return combined(contents(0), contents(1)) { ($0 > $1 ? 1 : 0, false) }
    case "Less": return combined(contents(0), contents(1)) { ($0 < $1 ? 1 : 0, false) }
    case "GreaterOrEqual": return combined(contents(0), contents(1)) { ($0 >= $1 ? 1 : 0, false) }
    case "LessOrEqual": return combined(contents(0), contents(1)) { ($0 <= $1 ? 1 : 0, false) }
    case "And": return combined(contents(0), contents(1)) { ($0 & $1, false) }
    case "Or": return combined(contents(0), contents(1)) { ($0 | $1, false) }
    case "Not": return contents(0)?.map { $0.map { 1 - $0 } }
    case "Size":
      guard let shape = inputs.first??.shape, !shape.contains(nil) else { return nil }
      return TensorData.elementCount(of: shape.compactMap { $0 }).map { [Int64($0)] }
    case "Concat":
      let parts = inputs.compactMap { $0?.contents }
      guard parts.count == inputs.count, inputs.allSatisfy({ $0?.rank == 1 }) else { return nil }
      let joined = Contents(parts.joined())
      return joined.count <= ValueFacts.longestContents ? joined : nil
    case "Gather":
      guard let values = contents(0), inputs.count > 1, inputs[0]?.rank == 1,
        let indices = inputs[1]?.integers
      else { return nil }
      return gathered(values, indices)
    case "Slice": return sliced(inputs)
    case "Transpose": return transposed(inputs, node)
    case "ConstantOfShape": return filled(inputs, node)
    case "Add": return combined(contents(0), contents(1)) { $0.addingReportingOverflow($1) }
    case "Sub": return combined(contents(0), contents(1)) { $0.subtractingReportingOverflow($1) }
    case "Mul": return combined(contents(0), contents(1)) { $0.multipliedReportingOverflow(by: $1) }
    case "Div":
      return combined(contents(0), contents(1)) { $0.dividedReportingOverflow(by: $1) }
    default: return nil
    }
  }

  private static func gathered(_ values: Contents, _ indices: [Int64]) -> Contents? {
    var result: Contents = []
    for index in indices {
      guard let at = ShapeRules.axis(index, rank: values.count) else { return nil }
      result.append(values[at])
    }
    return result
  }

  /// The elements at these indices along each axis.
  private static func picked(_ values: Contents, _ extents: [Int], _ indices: [[Int]]) -> Contents {
    var places = [0]
    for (axis, chosen) in indices.enumerated() {
      places = places.flatMap { place in chosen.map { place * extents[axis] + $0 } }
    }
    return places.map { values[$0] }
  }

  private static func known(_ facts: ValueFacts?) -> (values: Contents, extents: [Int])? {
    guard let values = facts?.contents, let shape = facts?.shape, !shape.contains(nil) else {
      return nil
    }
    let extents = shape.compactMap { $0 }
    return extents.reduce(1, *) == values.count ? (values, extents) : nil
  }

  private static func sliced(_ inputs: [ValueFacts?]) -> Contents? {
    func integers(_ index: Int) -> [Int64]? { index < inputs.count ? inputs[index]?.integers : nil }
    guard inputs.count > 2, let (values, extents) = known(inputs[0]), let starts = integers(1),
      let ends = integers(2)
    else { return nil }
    let axes = inputs.count > 3 ? integers(3) : Array(0..<Int64(starts.count))
    let steps = inputs.count > 4 ? integers(4) : starts.map { _ in 1 }
    guard let axes, let steps, axes.count == starts.count, ends.count == starts.count,
      steps.count == starts.count
    else { return nil }
    var indices = extents.map { Array(0..<$0) }
    for (index, entry) in axes.enumerated() {
      guard let axis = ShapeRules.axis(entry, rank: extents.count) else { return nil }
      guard
        let range = SliceRange(
          extent: extents[axis], start: starts[index], end: ends[index], step: steps[index])
      else { return nil }
      indices[axis] = range.indices
    }
    return picked(values, extents, indices)
  }

  private static func transposed(_ inputs: [ValueFacts?], _ node: Node) -> Contents? {
    guard let (values, extents) = known(inputs.first ?? nil), extents.count == 2,
      (node.ints("perm") ?? [1, 0]) == [1, 0]
    else { return nil }
    return (0..<extents[1]).flatMap { column in
      (0..<extents[0]).map { row in values[row * extents[1] + column] }
    }
  }

  private static func filled(_ inputs: [ValueFacts?], _ node: Node) -> Contents? {
    guard case .tensor(let data) = node.attribute("value"), let value = data.integers?.first,
      let extents = inputs.first??.integers,
      let count = TensorData.elementCount(of: extents.map { Int(clamping: $0) }),
      count <= ValueFacts.longestContents
    else { return nil }
    return Array(repeating: value, count: count)
  }

  private static func combined(
    _ a: Contents?, _ b: Contents?,
    _ combine: (Int64, Int64) -> (partialValue: Int64, overflow: Bool)
  ) -> Contents? {
    guard let a, let b, a.count == b.count || a.count == 1 || b.count == 1, !a.isEmpty, !b.isEmpty
    else { return nil }
    return (0..<max(a.count, b.count)).map { index in
      guard let left = a[a.count == 1 ? 0 : index], let right = b[b.count == 1 ? 0 : index]
      else { return nil }
      let (value, overflow) = combine(left, right)
      return overflow ? nil : value
    }
  }
}
