import ModelFormats
import ModelGraph
import Support

/// Matrix products.
enum ProductReadings {
  static let readings: [String: OperatorReading] = [
    "MatMulFusion": { @Sendable (reading, node) throws(Failure) in
      try product(
        reading, node, turnsLeft: node.int("transpose_a") ?? 0 != 0,
        turnsRight: node.int("transpose_b") ?? 0 != 0)
    },
    "FullConnection": { @Sendable (reading, node) throws(Failure) in
      guard reading.rank(of: try node.operand(0)) == 2, node.int("use_axis") ?? 0 == 0 else {
        throw node.unreadable("its input isn't known to be a matrix")
      }
      try product(reading, node, turnsLeft: false, turnsRight: true)
    },
  ]

  /// A Gemm where a matrix is turned, since that says so; a MatMul, and what is added, else.
  private static func product(
    _ reading: GraphReading, _ node: MSLiteNode, turnsLeft: Bool, turnsRight: Bool
  ) throws(Failure) {
    let left = try node.operand(0)
    let right = try node.operand(1)
    let bias = try node.operandIfAny(2).map { tensor throws(Failure) in try reading.plain(tensor) }
    if turnsLeft || turnsRight, reading.rank(of: left) == 2, reading.rank(of: right) == 2,
      turnsRight == false || reading.source.tensors[right].isConstant
    {
      var attributes: [Attribute] = []
      if turnsLeft { attributes.append(Attribute("transA", .int(1))) }
      if turnsRight { attributes.append(Attribute("transB", .int(1))) }
      var inputs = [try reading.plain(left), try reading.plain(right)]
      if let bias { inputs.append(bias) }
      return try reading.emit("Gemm", inputs, attributes, for: node)
    }
    try reading.emit(
      "MatMul",
      [
        try factor(left, isTurned: turnsLeft, reading, node),
        try factor(right, isTurned: turnsRight, reading, node),
      ], for: node, bias: bias)
  }

  private static func factor(
    _ tensor: Int, isTurned: Bool, _ reading: GraphReading, _ node: MSLiteNode
  ) throws(Failure) -> Value {
    guard isTurned else { return try reading.plain(tensor) }
    guard let rank = reading.rank(of: tensor), rank >= 2 else {
      throw node.unreadable("the rank of a matrix that is turned isn't known")
    }
    return try reading.value(tensor, .turned(rank))
  }
}
