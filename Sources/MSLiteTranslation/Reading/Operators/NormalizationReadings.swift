import ModelFormats
import ModelGraph
import Support

/// Normalizations.
enum NormalizationReadings {
  static let readings: [String: OperatorReading] = [
    "LayerNormFusion": layer, "FusedBatchNorm": batch, "InstanceNorm": instance,
    "ScaleFusion": scale, "LRN": response,
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

  /// Of a tensor with channels first, other than those of convolutions.
  private static let instance: OperatorReading = { @Sendable (reading, node) throws(Failure) in
    let inputs = try (0..<3).map { index throws(Failure) in
      try reading.plain(try node.operand(index))
    }
    try reading.emit(
      "InstanceNormalization", inputs, [Attribute("epsilon", .float(node.float("epsilon") ?? 0))],
      for: node)
  }

  /// Factors, and numbers that are added, along the last axis.
  private static let scale: OperatorReading = { @Sendable (reading, node) throws(Failure) in
    let tensor = try node.operand(0)
    let operands = node.inputs.dropFirst()
    let rank = reading.rank(of: tensor)
    let axis = node.int("axis") ?? 0
    guard axis == -1 || rank.map({ axis == Int64($0 - 1) }) ?? false,
      (1...2).contains(operands.count),
      operands.allSatisfy({ reading.shape(of: $0)?.count == 1 })
    else { throw node.unreadable("its factors aren't one for each element of the last axis") }
    let order = reading.order(of: tensor)
    let values = try ([tensor] + operands).map { tensor throws(Failure) in
      try reading.operand(tensor, in: order)
    }
    guard values.count == 3 else {
      return try reading.emit("Mul", values, for: node, order: order)
    }
    let product = reading.step("Mul", [values[0], values[1]], of: node, "_scaled")
    try reading.emit("Add", [product, values[2]], for: node, order: order)
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

  /// Over neighbouring channels, which are last; the factor is that of one square. An exponent of 0,
  /// which the real converter writes for ONNX's default, changes nothing; ONNX Runtime refuses it.
  private static let response: OperatorReading = { @Sendable (reading, node) throws(Failure) in
    let tensor = try node.operand(0)
    guard let rank = reading.rank(of: tensor), rank >= 3 else {
      throw node.unreadable("the rank of its input isn't known")
    }
    let radius = node.int("depth_radius") ?? 0
    guard (0...(1 << 20)).contains(radius) else { throw node.unreadable("its radius is \(radius)") }
    let exponent = node.float("beta") ?? 0
    guard exponent != 0 else {
      return try reading.emit("Identity", [try reading.plain(tensor)], for: node)
    }
    let size = 2 * radius + 1
    let order = AxisOrder.channelsSecond(rank)
    try reading.emit(
      "LRN", [try reading.value(tensor, order)],
      [
        Attribute("size", .int(size)),
        Attribute("alpha", .float((node.float("alpha") ?? 0) * Float(size))),
        Attribute("beta", .float(exponent)),
        Attribute("bias", .float(node.float("bias") ?? 0)),
      ], for: node, order: order)
  }
}
