import ModelFormats
import ModelGraph
import Support

/// Recurrent layers.
enum RecurrenceReadings {
  static let readings: [String: OperatorReading] = ["LSTM": lstm]

  private static let lstm: OperatorReading = { @Sendable (reading, node) throws(Failure) in
    guard node.inputs.count == 6, node.outputs.count <= 3 else {
      throw node.unreadable("it doesn't have six inputs and up to three outputs")
    }
    guard node.float("zoneout_cell") ?? 0 == 0, node.float("zoneout_hidden") ?? 0 == 0,
      node.int("proj_size") ?? 0 == 0, node.int("num_layers") ?? 1 <= 1
    else { throw node.unreadable("it has several layers, zoneout or a projection") }
    guard let shape = reading.shape(of: node.inputs[2]), shape.count == 3, let hidden = shape[2]
    else { throw node.unreadable("the shape of its weights isn't known") }
    let isBoth = node.int("bidirectional") ?? 0 != 0
    let values: [Value?] = try node.inputs.map { tensor throws(Failure) in
      try reading.plain(tensor)
    }
    try reading.emit(
      "LSTM", values[...3] + [nil] + values[4...],
      [
        Attribute("direction", .string(Array((isBoth ? "bidirectional" : "forward").utf8))),
        Attribute("hidden_size", .int(Int64(hidden))),
      ], allOutputsOf: node, leavesOut: true)
  }
}
