import ModelFormats
import ModelGraph
import Support

/// Operators that put tensors or borders together.
enum Joins {
  static let translations: [String: OperatorTranslation] = [
    "Concat": concat, "Pad": pad, "Range": range,
  ]

  private static let concat: OperatorTranslation = {
    @Sendable (translation, node) throws(Failure) in
    let values = try node.inputs.indices.map { index throws(Failure) in try node.operand(index) }
    let common = translation.commonOrder(values)
    let order =
      values.allSatisfy { translation.rank($0) ?? common?.rank == common?.rank } ? common : nil
    var axis = node.int("axis") ?? 0
    if let order {
      guard let at = ShapeRules.axis(axis, rank: order.rank) else {
        throw node.refused("its axis \(axis) is out of range")
      }
      axis = Int64(order.place(of: at))
    }
    let inputs = try values.map { value throws(Failure) in
      try translation.tensor(value, order)
    }
    translation.emit(
      MSLitePrimitive("Concat", ["axis": .int(axis)]), inputs, for: node, order: order)
  }

  private static let modes: [String: Int64] = ["constant": 0, "reflect": 1]

  private static let pad: OperatorTranslation = { @Sendable (translation, node) throws(Failure) in
    let name = node.string("mode") ?? "constant"
    guard let mode = modes[name] else { throw node.refused("its mode is \(name)") }
    let value = try node.operand(0)
    guard var widths = translation.integers(node, 1) else {
      throw node.refused("its widths are not constant")
    }
    let order = translation.order(of: value)
    if node.operandIfAny(3) != nil {
      guard let axes = translation.integers(node, 3),
        let rank = order?.rank ?? translation.rank(value), widths.count == 2 * axes.count
      else { throw node.refused("its axes are not constant") }
      var all = [Int64](repeating: 0, count: 2 * rank)
      for (index, entry) in axes.enumerated() {
        guard let axis = ShapeRules.axis(entry, rank: rank) else {
          throw node.refused("its axis \(entry) is out of range")
        }
        all[axis] = widths[index]
        all[rank + axis] = widths[axes.count + index]
      }
      widths = all
    }
    let rank = widths.count / 2
    guard widths.count == 2 * rank, order.map({ $0.rank == rank }) ?? true else {
      throw node.refused("its widths don't fit the input's rank")
    }
    guard widths.allSatisfy({ $0 >= 0 }) else { throw node.refused("it takes borders away") }
    let rows = (order ?? .plain(rank)).axes.flatMap { [widths[$0], widths[rank + $0]] }
    let filling = node.operandIfAny(2).flatMap(translation.constant)
    translation.emit(
      MSLitePrimitive(
        "PadFusion",
        [
          "padding_mode": .int(mode),
          "constant_value": .float(
            filling?.float32Values?.first ?? filling?.integers?.first.map { Float($0) } ?? 0),
        ]),
      [
        try translation.tensor(value, order),
        translation.integers(rows.map { Int32(clamping: $0) }, dimensions: [rank, 2]),
      ], for: node, order: order)
  }

  private static let range: OperatorTranslation = { @Sendable (translation, node) throws(Failure) in
    let inputs = try (0..<3).map { index throws(Failure) in
      try translation.plain(try node.operand(index))
    }
    let type = translation.type(of: try node.operand(0))
    translation.emit(
      MSLitePrimitive("Range", ["d_type": .int(Int64(type.msliteCode ?? 34))]), inputs, for: node)
  }
}
