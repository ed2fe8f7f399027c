import ModelGraph

/// Shapes of results of operators that look elements up, search or regroup them.
enum IndexShapes {
  typealias Shape = ShapeRules.Shape

  /// nil for other operators.
  static func shapes(of node: Node, inputs: [ValueFacts?]) -> [Shape?]? {
    func shape(_ index: Int) -> Shape? { index < inputs.count ? inputs[index]?.shape : nil }
    func number(_ index: Int) -> Int? {
      (index < inputs.count ? inputs[index]?.integers?.first : nil).flatMap { Int(exactly: $0) }
    }
    switch node.operatorType {
    case "GatherElements": return [shape(1)]
    case "NonZero": return [shape(0).map { [$0.count, nil] }]
    case "NonMaxSuppression": return [[nil, 3]]
    case "TopK":
      guard var result = shape(0),
        let axis = ShapeRules.axis(node.int("axis") ?? -1, rank: result.count)
      else { return [] }
      result[axis] = number(1)
      return [result, result]
    case "OneHot":
      guard var result = shape(0),
        let axis = ShapeRules.axis(node.int("axis") ?? -1, rank: result.count + 1)
      else { return [] }
      result.insert(number(1), at: axis)
      return [result]
    case "GatherND":
      guard let data = shape(0), let indices = shape(1), (node.int("batch_dims") ?? 0) == 0,
        let depth = indices.last ?? nil, (1...max(1, data.count)).contains(depth),
        depth <= data.count
      else { return [] }
      return [Array(indices.dropLast()) + data[depth...]]
    case "DepthToSpace", "SpaceToDepth": return [regrouped(shape(0), node)]
    default: return nil
    }
  }

  private static func regrouped(_ shape: Shape?, _ node: Node) -> Shape? {
    guard let shape, shape.count == 4 else { return nil }
    guard let size = node.int("blocksize").flatMap({ Int(exactly: $0) }), (1...4096).contains(size)
    else { return Array(repeating: nil, count: 4) }
    let grows = node.operatorType == "DepthToSpace"
    func larger(_ extent: Int?, by factor: Int) -> Int? {
      extent.flatMap { $0 < 1 << 31 ? $0 * factor : nil }
    }
    func smaller(_ extent: Int?, by factor: Int) -> Int? { extent.map { $0 / factor } }
    let area = size * size
    return grows
      ? [shape[0], smaller(shape[1], by: area)] + shape[2...].map { larger($0, by: size) }
      : [shape[0], larger(shape[1], by: area)] + shape[2...].map { smaller($0, by: size) }
  }
}
