import ModelGraph

/// A constant that reaches an operator as weights, directly or through nodes that only move its
/// elements: exporters write recurrent weights as slices put together, tied embeddings as a
/// transposed table, and half-precision weights behind a Cast.
struct WeightOrigin {
  /// The constant.
  let value: Value
  /// For each axis that the operator sees, the constant's own axis; nil where it has none.
  let axes: [Int?]
  /// Whether the operator reads the constant itself.
  let isDirect: Bool

  /// Nodes looked through at most.
  private static let depthLimit = 16

  /// The constants behind `value`; empty when any part of it is computed.
  static func origins(of value: Value) -> [WeightOrigin] {
    find(value, depth: 0) ?? []
  }

  private static func find(_ value: Value, depth: Int) -> [WeightOrigin]? {
    if let constant = value.constant {
      let axes = constant.dimensions.indices.map { Optional($0) }
      return [WeightOrigin(value: value, axes: axes, isDirect: depth == 0)]
    }
    guard depth < depthLimit, let node = value.producer, node.isStandard,
      let first = node.inputs.first ?? nil
    else { return nil }
    switch node.operatorType {
    case "Identity", "Slice", "Cast":
      return find(first, depth: depth + 1)
    case "Concat":
      var all: [WeightOrigin] = []
      for input in node.inputs {
        guard let input, let found = find(input, depth: depth + 1) else { return nil }
        all += found
      }
      return all
    case "Transpose":
      return find(first, depth: depth + 1)?.compactMap { $0.transposed(by: node.ints("perm")) }
    case "Unsqueeze":
      guard let axes = axes(of: node) else { return nil }
      return find(first, depth: depth + 1)?.compactMap { $0.expanded(at: axes) }
    case "Squeeze":
      guard let axes = axes(of: node) else { return nil }
      return find(first, depth: depth + 1)?.compactMap { $0.squeezed(at: axes) }
    default: return nil
    }
  }

  /// The axes of Squeeze and Unsqueeze: an attribute until operator set 13, then an input.
  private static func axes(of node: Node) -> [Int]? {
    let input = node.inputs.count > 1 ? node.inputs[1]?.constant?.integers : nil
    return (node.ints("axes") ?? input)?.compactMap { Int(exactly: $0) }
  }

  private func with(_ axes: [Int?]) -> WeightOrigin {
    WeightOrigin(value: value, axes: axes, isDirect: false)
  }

  private func transposed(by order: [Int64]?) -> WeightOrigin? {
    let order = order?.compactMap { Int(exactly: $0) } ?? axes.indices.reversed()
    guard order.sorted() == Array(axes.indices) else { return nil }
    return with(order.map { axes[$0] })
  }

  private func expanded(at positions: [Int]) -> WeightOrigin? {
    let rank = axes.count + positions.count
    let inserted = Set(positions.map { $0 < 0 ? $0 + rank : $0 })
    guard inserted.count == positions.count, inserted.allSatisfy((0..<rank).contains) else {
      return nil
    }
    var rest = axes.makeIterator()
    return with((0..<rank).map { inserted.contains($0) ? nil : rest.next() ?? nil })
  }

  private func squeezed(at positions: [Int]) -> WeightOrigin? {
    let removed = Set(positions.map { $0 < 0 ? $0 + axes.count : $0 })
    return with(axes.indices.filter { !removed.contains($0) }.map { axes[$0] })
  }
}
