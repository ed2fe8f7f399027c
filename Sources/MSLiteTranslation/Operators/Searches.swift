import ModelFormats
import ModelGraph
import Support

/// Operators that look for elements, put them in order or add them up.
enum Searches {
  static let translations: [String: OperatorTranslation] = [
    "TopK": best, "NonZero": nonZero, "NonMaxSuppression": suppress, "CumSum": sums,
    "ReverseSequence": reverse,
  ]

  /// The runtime finds the largest whatever is asked for: the smallest are those of the opposite
  /// numbers.
  private static let best: OperatorTranslation = { @Sendable (translation, node) throws(Failure) in
    let value = try node.operand(0)
    let order = translation.order(of: value)
    var axis = node.int("axis") ?? -1
    if let rank = order?.rank ?? translation.rank(value) {
      guard let at = ShapeRules.axis(axis, rank: rank) else {
        throw node.refused("its axis is out of range")
      }
      axis = Int64(order?.place(of: at) ?? at)
    }
    let type = translation.type(of: value)
    let primitive = MSLitePrimitive(
      "TopKFusion",
      ["sorted": .int(node.int("sorted") ?? 1), "axis": .int(axis), "largest": .int(1)])
    var tensor = try translation.tensor(value, order)
    let count = try translation.plain(try node.operand(1))
    guard node.int("largest") == 0 else {
      return translation.emit(primitive, [tensor, count], allOutputsOf: node, order: order)
    }
    tensor = translation.node(
      MSLitePrimitive("Neg"), [tensor], name: translation.unique(node.displayName + "_opposite"),
      type: type)
    translation.emit(primitive, [tensor, count], allOutputsOf: node, order: order)
    guard let output = node.outputs[0] else { return }
    let found = try translation.tensor(output, order)
    translation.hold(
      output,
      translation.node(
        MSLitePrimitive("Neg"), [found], name: translation.unique(output.name), type: type), order)
  }

  /// The runtime gives a row for each element found, ONNX a column.
  private static let nonZero: OperatorTranslation = {
    @Sendable (translation, node) throws(Failure) in
    translation.emit(
      MSLitePrimitive("Where"), [try translation.plain(try node.operand(0))], for: node,
      order: AxisOrder([1, 0]))
  }

  private static let suppress: OperatorTranslation = {
    @Sendable (translation, node) throws(Failure) in
    var inputs = try (0..<2).map { index throws(Failure) in
      try translation.plain(try node.operand(index))
    }
    let defaults = [
      translation.integers([0]), translation.floats([0], dimensions: [1]),
      translation.floats([-.greatestFiniteMagnitude], dimensions: [1]),
    ]
    for (index, absent) in defaults.enumerated() {
      let given = node.operandIfAny(index + 2)
      inputs.append(
        try given.map { value throws(Failure) in try translation.plain(value) } ?? absent)
    }
    translation.emit(
      MSLitePrimitive(
        "NonMaxSuppression", ["center_point_box": .int(node.int("center_point_box") ?? 0)]),
      inputs, for: node)
  }

  private static let sums: OperatorTranslation = { @Sendable (translation, node) throws(Failure) in
    translation.emit(
      MSLitePrimitive(
        "CumSum",
        [
          "exclusive": .int(node.int("exclusive") ?? 0), "reverse": .int(node.int("reverse") ?? 0),
        ]),
      [try translation.plain(try node.operand(0)), try translation.plain(try node.operand(1))],
      for: node)
  }

  private static let reverse: OperatorTranslation = {
    @Sendable (translation, node) throws(Failure) in
    translation.emit(
      MSLitePrimitive(
        "ReverseSequence",
        [
          "seq_dim": .int(node.int("time_axis") ?? 0),
          "batch_dim": .int(node.int("batch_axis") ?? 1),
        ]),
      [try translation.plain(try node.operand(0)), try translation.plain(try node.operand(1))],
      for: node)
  }
}
