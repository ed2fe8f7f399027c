import ModelFormats
import ModelGraph
import Support

/// Normalizations.
enum NormalizationReadings {
  static let readings: [String: OperatorReading] = [
    "LayerNormFusion": layer, "FusedBatchNorm": batch,
  ]

  private static let layer: OperatorReading = { @Sendable (reading, node) throws(Failure) in
    let tensor = try node.operand(0)
    let factors = try node.operand(1)
    let axis = node.int("begin_norm_axis") ?? 0
    let parameters = node.int("begin_params_axis") ?? 0
    let rank = reading.rank(of: tensor)
    func place(_ axis: Int64) -> Int64 {
      rank.flatMap { ShapeRules.axis(axis, rank: $0) }.map { Int64($0) } ?? axis
    }
    guard place(axis) == place(parameters) else {
      throw node.unreadable("its factors have other axes than it normalizes")
    }
    var inputs = [try reading.plain(tensor), try reading.plain(factors)]
    if let offsets = node.operandIfAny(2) { inputs.append(try reading.plain(offsets)) }
    try reading.emit(
      "LayerNormalization", inputs,
      [
        Attribute("axis", .int(axis)), Attribute("epsilon", .float(node.float("epsilon") ?? 1e-5)),
      ], for: node)
  }

  private static let batch: OperatorReading = { @Sendable (reading, node) throws(Failure) in
    let tensor = try node.operand(0)
    guard let rank = reading.rank(of: tensor), rank >= 2 else {
      throw node.unreadable("the rank of its input isn't known")
    }
    let order = AxisOrder.channelsSecond(rank)
    var inputs = [try reading.value(tensor, order)]
    for index in 1...4 { inputs.append(try reading.plain(try node.operand(index))) }
    try reading.emit(
      "BatchNormalization", inputs,
      [Attribute("epsilon", .float(node.float("epsilon") ?? 1e-4))], for: node, order: order)
  }
}
