import ModelFormats
import ModelGraph
import Support

/// Recurrent layers.
enum Recurrences {
  static let translations: [String: OperatorTranslation] = ["LSTM": lstm]

  private static let lstm: OperatorTranslation = { @Sendable (translation, node) throws(Failure) in
    let direction = node.string("direction") ?? "forward"
    guard direction != "reverse" else { throw node.refused("it runs backwards") }
    for (index, what) in [(4, "lengths of sequences"), (7, "peepholes")]
    where node.operandIfAny(index) != nil {
      throw node.refused("it has \(what)")
    }
    for setting in ["activations", "activation_alpha", "clip", "input_forget", "layout"] {
      if let given = node.attribute(setting) {
        if case .int(0) = given { continue }
        throw node.refused("it sets \(setting)")
      }
    }
    let recurrence = try node.operand(2)
    guard let weights = translation.constant(recurrence), weights.elementCount > 0,
      weights.dimensions.count == 3
    else { throw node.refused("its weights are not constant") }
    let extents = weights.dimensions
    let (directions, hidden) = (extents[0], extents[2])
    let bias =
      if let given = node.operandIfAny(3) {
        try translation.plain(given)
      } else {
        translation.floats(
          Array(repeating: 0, count: directions * 8 * hidden),
          dimensions: [directions, 8 * hidden])
      }
    let value = try node.operand(0)
    let inputs = [
      try translation.plain(value), try translation.plain(try node.operand(1)),
      try translation.plain(recurrence), bias,
      try state(5, value, directions, hidden, translation, node),
      try state(6, value, directions, hidden, translation, node),
    ]
    translation.emit(
      MSLitePrimitive(
        "LSTM",
        [
          "bidirectional": .int(direction == "bidirectional" ? 1 : 0), "has_bias": .int(1),
          "hidden_size": .int(Int64(hidden)),
        ]), inputs, threeOutputsOf: node)
  }

  /// A first state; zeros where none is given.
  private static func state(
    _ index: Int, _ value: Value, _ directions: Int, _ hidden: Int, _ translation: Translation,
    _ node: Node
  ) throws(Failure) -> Int {
    if let given = node.operandIfAny(index) { return try translation.plain(given) }
    guard let shape = translation.facts.of(value).shape, shape.count == 3, let batch = shape[1]
    else { throw node.refused("it has no first state and the batch isn't known") }
    return try translation.zeros([directions, batch, hidden], for: node)
  }
}

extension Translation {
  /// Adds a node that makes three tensors, whatever of them is used.
  fileprivate func emit(
    _ primitive: MSLitePrimitive, _ inputs: [Int], threeOutputsOf node: Node
  ) {
    while node.outputs.count < 3 { node.outputs.append(nil) }
    emit(primitive, inputs, allOutputsOf: node)
  }
}
