import ModelFormats
import ModelGraph
import Support

/// Pools.
enum PoolReadings {
  static let readings: [String: OperatorReading] = [
    "MaxPoolFusion": { @Sendable (reading, node) throws(Failure) in
      try pool("MaxPool", reading, node)
    },
    "AvgPoolFusion": { @Sendable (reading, node) throws(Failure) in
      try pool("AveragePool", reading, node)
    },
  ]

  private static func pool(
    _ type: String, _ reading: GraphReading, _ node: MSLiteNode
  ) throws(Failure) {
    let input = try reading.value(try node.operand(0), .channelsFirst)
    if node.int("global") ?? 0 != 0 {
      return try reading.emit("Global" + type, [input], for: node, order: .channelsFirst)
    }
    var attributes = try ReadWindow(
      node, kernel: node.ints("kernel_size") ?? [], strides: "strides", padding: "pad"
    ).attributes
    if node.int("round_mode") ?? 0 != 0 { attributes.append(Attribute("ceil_mode", .int(1))) }
    try reading.emit(type, [input], attributes, for: node, order: .channelsFirst)
  }
}
