import ModelFormats
import ModelGraph
import Support

/// Recurrent layers.
enum RecurrenceReadings {
  static let readings: [String: OperatorReading] = [
    "LSTM": { @Sendable (reading, node) throws(Failure) in
      guard node.float("zoneout_cell") ?? 0 == 0, node.float("zoneout_hidden") ?? 0 == 0,
        node.int("proj_size") ?? 0 == 0, node.int("num_layers") ?? 1 <= 1
      else { throw node.unreadable("it has several layers, zoneout or a projection") }
      try layer("LSTM", states: 2, reading, node)
    },
    "GRU": { @Sendable (reading, node) throws(Failure) in
      try layer("GRU", states: 1, reading, node)
    },
  ]

  /// A layer with so many states behind the input, two weights and the bias.
  private static func layer(
    _ type: String, states: Int, _ reading: GraphReading, _ node: MSLiteNode
  ) throws(Failure) {
    guard node.inputs.count == 4 + states, node.outputs.count <= 1 + states else {
      throw node.unreadable(
        "it doesn't have \(4 + states) inputs and at most \(1 + states) results")
    }
    guard let shape = reading.shape(of: node.inputs[2]), shape.count == 3, let hidden = shape[2]
    else { throw node.unreadable("the shape of its weights isn't known") }
    let isBoth = node.int("bidirectional") ?? 0 != 0
    let values: [Value?] = try node.inputs.map { tensor throws(Failure) in
      try reading.plain(tensor)
    }
    try reading.emit(
      type, values[...3] + [nil] + values[4...],
      [
        Attribute("direction", .string(Array((isBoth ? "bidirectional" : "forward").utf8))),
        Attribute("hidden_size", .int(Int64(hidden))),
      ], allOutputsOf: node, leavesOut: true)
  }
}
