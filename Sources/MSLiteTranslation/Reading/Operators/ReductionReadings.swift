import ModelFormats
import ModelGraph
import Support

/// Reductions over axes, and softmax.
enum ReductionReadings {
  static let readings: [String: OperatorReading] = [
    "ReduceFusion": reduce, "Softmax": softmax, "LogSoftmax": logSoftmax,
    "ArgMaxFusion": { @Sendable (reading, node) throws(Failure) in
      try best("ArgMax", reading, node)
    },
    "ArgMinFusion": { @Sendable (reading, node) throws(Failure) in
      try best("ArgMin", reading, node)
    },
  ]

  /// ONNX's operators for the format's numbers.
  private static let modes: [Int64: String] = [
    0: "ReduceMean", 1: "ReduceMax", 2: "ReduceMin", 3: "ReduceProd", 4: "ReduceSum",
    5: "ReduceSumSquare", 6: "ReduceL1", 8: "ReduceL2",
  ]

  private static let reduce: OperatorReading = { @Sendable (reading, node) throws(Failure) in
    guard let type = modes[node.int("mode") ?? 0] else {
      throw node.unreadable("its mode is \(node.int("mode") ?? 0)")
    }
    guard node.int("reduce_to_end") ?? 0 == 0, [0, 1].contains(node.float("coeff") ?? 1) else {
      throw node.unreadable("it reduces to the end, or has a factor")
    }
    let keeps = node.int("keep_dims") ?? 0 != 0
    let attributes = [Attribute("keepdims", .int(keeps ? 1 : 0))]
    let tensor = try node.operand(0)
    guard let list = node.operandIfAny(1) else {
      return try reading.emit(type, [try reading.plain(tensor)], attributes, for: node)
    }
    guard let axes = try reading.integers(list), !axes.isEmpty,
      let order = reading.order(of: tensor)
    else {
      return try reading.emit(
        type, [try reading.plain(tensor), try reading.plain(list)], attributes, for: node)
    }
    let places = try reading.places(axes, rank: order.rank, order: order, of: node)
    let removed = Set(places.map { order.axes[$0] })
    try reading.emit(
      type,
      [
        try reading.value(tensor, order),
        reading.integerValue(Set(places).sorted().map(Int64.init)),
      ], attributes, for: node, order: keeps ? order : order.removing(removed))
  }

  private static let softmax: OperatorReading = { @Sendable (reading, node) throws(Failure) in
    let axes = node.ints("axis") ?? [-1]
    guard axes.count == 1 else { throw node.unreadable("it has \(axes.count) axes") }
    try along(axes[0], "Softmax", reading, node)
  }

  private static let logSoftmax: OperatorReading = { @Sendable (reading, node) throws(Failure) in
    try along(node.int("axis") ?? 0, "LogSoftmax", reading, node)
  }

  private static func along(
    _ axis: Int64, _ type: String, _ reading: GraphReading, _ node: MSLiteNode
  ) throws(Failure) {
    let held = try reading.heldValue(try node.operand(0))
    var place = axis
    if let order = held.order {
      place = Int64(try reading.places([axis], rank: order.rank, order: order, of: node)[0])
    }
    try reading.emit(
      type, [held.value], [Attribute("axis", .int(place))], for: node, order: held.order)
  }

  private static func best(
    _ type: String, _ reading: GraphReading, _ node: MSLiteNode
  ) throws(Failure) {
    guard [0, 1].contains(node.int("top_k") ?? 1), node.int("out_max_value") ?? 0 == 0 else {
      throw node.unreadable("it gives more than the place of one element")
    }
    let keeps = node.int("keep_dims") ?? 0 != 0
    try reading.emit(
      type, [try reading.plain(try node.operand(0))],
      [Attribute("axis", .int(node.int("axis") ?? 0)), Attribute("keepdims", .int(keeps ? 1 : 0))],
      for: node)
  }
}
