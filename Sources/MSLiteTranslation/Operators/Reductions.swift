import ModelFormats
import ModelGraph
import Support

/// Reductions over axes, and softmax.
enum Reductions {
  static let translations: [String: OperatorTranslation] =
    modes.mapValues(translation)
    .merging([
      "Softmax": softmax,
      "LogSoftmax": logSoftmax,
      "ArgMax": { @Sendable (translation, node) throws(Failure) in
        try best("ArgMaxFusion", translation, node)
      },
      "ArgMin": { @Sendable (translation, node) throws(Failure) in
        try best("ArgMinFusion", translation, node)
      },
    ]) { first, _ in first }

  /// The format's numbers.
  private static let modes: [String: Int64] = [
    "ReduceMean": 0, "ReduceMax": 1, "ReduceMin": 2, "ReduceProd": 3, "ReduceSum": 4,
    "ReduceSumSquare": 5, "ReduceL2": 8,
  ]

  private static func translation(_ mode: Int64) -> OperatorTranslation {
    return { (translation: Translation, node: Node) throws(Failure) -> Void in
      try reduce(mode, translation, node)
    }
  }

  private static func primitive(_ mode: Int64, keeps: Bool) -> MSLitePrimitive {
    MSLitePrimitive("ReduceFusion", ["mode": .int(mode), "keep_dims": .int(keeps ? 1 : 0)])
  }

  private static func reduce(
    _ mode: Int64, _ translation: Translation, _ node: Node
  ) throws(Failure) {
    let value = try node.operand(0)
    let keeps = (node.int("keepdims") ?? 1) != 0
    let axes = translation.integers(node, 1) ?? []
    if axes.isEmpty {
      if node.operandIfAny(1) != nil, translation.integers(node, 1) == nil {
        throw node.refused("its axes are not constant")
      }
      if (node.int("noop_with_empty_axes") ?? 0) != 0 {
        throw node.refused("it may reduce nothing")
      }
    }
    guard let order = translation.order(of: value), !axes.isEmpty else {
      let rank = translation.rank(value)
      let places = axes.map { entry in
        rank.flatMap { ShapeRules.axis(entry, rank: $0) }.map { Int32($0) }
          ?? Int32(clamping: entry)
      }
      return write(
        mode, try translation.plain(value), places, keeps: keeps, rank: rank, nil, translation, node
      )
    }
    let places = axes.compactMap { ShapeRules.axis($0, rank: order.rank) }
    write(
      mode, try translation.tensor(value, order),
      places.map { Int32(order.place(of: $0)) }.sorted(), keeps: keeps, rank: order.rank,
      keeps ? order : order.removing(Set(places)), translation, node)
  }

  /// Writes a reduction over axes as they are stored.
  ///
  /// The runtime's maximum is wrong over other axes than the last one: there it is the least of the
  /// opposite numbers.
  private static func write(
    _ mode: Int64, _ tensor: Int, _ axes: [Int32], keeps: Bool, rank: Int?, _ order: AxisOrder?,
    _ translation: Translation, _ node: Node
  ) {
    let list = axes.isEmpty ? [] : [translation.integers(axes)]
    let isLast = axes == [-1] || rank.map { axes == [Int32(clamping: $0 - 1)] } ?? false
    guard mode == modes["ReduceMax"], !isLast else {
      return translation.emit(
        primitive(mode, keeps: keeps), [tensor] + list, for: node, order: order)
    }
    let type = translation.model.tensors[tensor].elementType
    func name(_ part: String) -> String { translation.unique(node.displayName + part) }
    let opposite = translation.node(
      MSLitePrimitive("Neg"), [tensor], name: name("_opposite"), type: type)
    let least = translation.node(
      primitive(modes["ReduceMin"] ?? 2, keeps: keeps), [opposite] + list, name: name("_least"),
      type: type)
    translation.emit(MSLitePrimitive("Neg"), [least], for: node, order: order)
  }

  /// A reduction over all axes but the first two, which keeps them.
  static func overSpace(
    mode: Int64, _ value: Value, _ translation: Translation, _ node: Node
  ) throws(Failure) {
    guard let rank = translation.rank(value), rank > 2 else {
      throw node.refused("the rank of its input isn't known")
    }
    let order = translation.order(of: value) ?? .plain(rank)
    let axes = (2..<rank).map { Int32(order.place(of: $0)) }.sorted()
    write(
      mode, try translation.tensor(value, order), axes, keeps: true, rank: rank, order,
      translation, node)
  }

  private static let softmax: OperatorTranslation = {
    @Sendable (translation, node) throws(Failure) in
    let (value, order, axis) = try along(translation, node)
    translation.emit(
      MSLitePrimitive("Softmax", ["axis": .ints([axis])]),
      [try translation.tensor(value, order)], for: node, order: order)
  }

  private static let logSoftmax: OperatorTranslation = {
    @Sendable (translation, node) throws(Failure) in
    let (value, order, axis) = try along(translation, node)
    translation.emit(
      MSLitePrimitive("LogSoftmax", ["axis": .int(axis)]),
      [try translation.tensor(value, order)], for: node, order: order)
  }

  /// The order of the input and where the axis lies in it.
  private static func along(
    _ translation: Translation, _ node: Node
  ) throws(Failure) -> (Value, AxisOrder?, Int64) {
    let value = try node.operand(0)
    let axis = node.int("axis") ?? -1
    guard let order = translation.order(of: value) else { return (value, nil, axis) }
    guard let at = ShapeRules.axis(axis, rank: order.rank) else {
      throw node.refused("its axis \(axis) is out of range")
    }
    return (value, order, Int64(order.place(of: at)))
  }

  private static func best(
    _ name: String, _ translation: Translation, _ node: Node
  ) throws(Failure) {
    if (node.int("select_last_index") ?? 0) != 0 {
      throw node.refused("it selects the last of equal elements")
    }
    let keeps = node.int("keepdims") ?? 1
    translation.emit(
      MSLitePrimitive(
        name,
        ["axis": .int(node.int("axis") ?? 0), "top_k": .int(1), "keep_dims": .int(keeps)]),
      [try translation.plain(try node.operand(0))], for: node)
  }
}
