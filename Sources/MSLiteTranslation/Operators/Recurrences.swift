import ModelFormats
import ModelGraph
import Support

/// Recurrent layers.
enum Recurrences {
  static let translations: [String: OperatorTranslation] = [
    "LSTM": lstm, "GRU": gru,
  ]

  private static let lstm: OperatorTranslation = { @Sendable (translation, node) throws(Failure) in
    let direction = node.string("direction") ?? "forward"
    guard direction != "reverse" else { throw node.refused("it runs backwards") }
    try node.checkRecurrence(activations: ["Sigmoid", "Tanh", "Tanh"])
    let recurrence = try node.operand(2)
    guard let weights = translation.constant(recurrence), weights.elementCount > 0,
      weights.dimensions.count == 3
    else { throw node.refused("its weights are not constant") }
    let extents = weights.dimensions
    let (directions, hidden) = (extents[0], extents[2])
    let biases = try bias(8, directions, hidden, translation, node)
    let value = try node.operand(0)
    let inputs = [
      try translation.plain(value), try translation.plain(try node.operand(1)),
      try translation.plain(recurrence), biases,
      try state(5, value, directions, hidden, translation, node),
      try state(6, value, directions, hidden, translation, node),
    ]
    translation.emit(
      MSLitePrimitive(
        "LSTM",
        [
          "bidirectional": .int(direction == "bidirectional" ? 1 : 0), "has_bias": .int(1),
          "hidden_size": .int(Int64(hidden)),
        ]), inputs, outputs: 3, of: node)
  }

  /// What is left of it: the state is reset before it is multiplied.
  private static let gru: OperatorTranslation = { @Sendable (translation, node) throws(Failure) in
    try node.checkRecurrence(activations: ["Sigmoid", "Tanh"])
    let recurrence = try node.operand(2)
    guard let weights = translation.constant(recurrence), weights.elementCount > 0,
      weights.dimensions.count == 3
    else { throw node.refused("its weights are not constant") }
    let (directions, hidden) = (weights.dimensions[0], weights.dimensions[2])
    let value = try node.operand(0)
    let inputs = [
      try translation.plain(value), try translation.plain(try node.operand(1)),
      try translation.plain(recurrence),
      try bias(6, directions, hidden, translation, node),
      try state(5, value, directions, hidden, translation, node),
    ]
    translation.emit(
      MSLitePrimitive("GRU", ["bidirectional": .int(directions == 2 ? 1 : 0)]), inputs,
      outputs: 2, of: node)
  }

  /// Biases, `count` for each unit; zeros where none are given.
  private static func bias(
    _ count: Int, _ directions: Int, _ hidden: Int, _ translation: Translation, _ node: Node
  ) throws(Failure) -> Int {
    if let given = node.operandIfAny(3) { return try translation.plain(given) }
    return try translation.zeros([directions, count * hidden], for: node)
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
  /// Adds a node that makes so many tensors, whatever of them is used.
  fileprivate func emit(
    _ primitive: MSLitePrimitive, _ inputs: [Int], outputs count: Int, of node: Node
  ) {
    while node.outputs.count < count { node.outputs.append(nil) }
    emit(primitive, inputs, allOutputsOf: node)
  }
}
