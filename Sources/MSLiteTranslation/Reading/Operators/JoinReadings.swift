import ModelFormats
import ModelGraph
import Support

/// Operators that put tensors or borders together.
enum JoinReadings {
  static let readings: [String: OperatorReading] = [
    "Concat": concat, "Stack": stack, "PadFusion": pad, "Range": range,
  ]

  private static let concat: OperatorReading = { @Sendable (reading, node) throws(Failure) in
    guard !node.inputs.isEmpty else { throw node.unreadable("input 0 is missing") }
    let order = reading.commonOrder(node.inputs).flatMap { order in
      node.inputs.allSatisfy { reading.rank(of: $0) == order.rank } ? order : nil
    }
    var axis = node.int("axis") ?? 0
    if let order {
      axis = Int64(try reading.places([axis], rank: order.rank, order: order, of: node)[0])
    }
    let inputs = try node.inputs.map { tensor throws(Failure) in
      try reading.value(tensor, order)
    }
    try reading.emit("Concat", inputs, [Attribute("axis", .int(axis))], for: node, order: order)
  }

  private static let stack: OperatorReading = { @Sendable (reading, node) throws(Failure) in
    guard !node.inputs.isEmpty else { throw node.unreadable("input 0 is missing") }
    let axis = node.int("axis") ?? 0
    let inputs = try node.inputs.map { tensor throws(Failure) in
      reading.step(
        "Unsqueeze", [try reading.plain(tensor), reading.integerValue([axis])], of: node, "_part")
    }
    try reading.emit("Concat", inputs, [Attribute("axis", .int(axis))], for: node)
  }

  private static let modes: [Int64: String] = [0: "constant", 1: "reflect"]

  private static let pad: OperatorReading = { @Sendable (reading, node) throws(Failure) in
    guard let mode = modes[node.int("padding_mode") ?? 0] else {
      throw node.unreadable("its mode is \(node.int("padding_mode") ?? 0)")
    }
    var given = try reading.integers(node.operandIfAny(1))
    if given == nil, case .rows(let rows) = node.primitive.settings["paddings"] {
      given = rows.flatMap { $0 }
    }
    guard let widths = given, widths.count % 2 == 0 else {
      throw node.unreadable("its widths aren't constant")
    }
    let held = try reading.heldValue(try node.operand(0))
    let rank = widths.count / 2
    let order = held.order ?? .plain(rank)
    guard order.rank == rank else { throw node.unreadable("its widths don't fit its input") }
    let pads = order.axes.map { widths[2 * $0] } + order.axes.map { widths[2 * $0 + 1] }
    var inputs = [held.value, reading.integerValue(pads)]
    if mode == "constant", let filling = try filling(reading, node), filling != 0 {
      inputs.append(reading.number(filling))
    }
    try reading.emit(
      "Pad", inputs, [Attribute("mode", .string(Array(mode.utf8)))], for: node, order: held.order)
  }

  /// The number that borders hold: a setting, or a constant input.
  private static func filling(
    _ reading: GraphReading, _ node: MSLiteNode
  ) throws(Failure) -> Float? {
    guard let tensor = node.operandIfAny(2) else { return node.float("constant_value") }
    guard let data = try reading.constant(tensor), data.elementCount == 1,
      let number = data.float32Values?.first
    else { throw node.unreadable("the number that it fills with isn't constant") }
    return number
  }

  private static let range: OperatorReading = { @Sendable (reading, node) throws(Failure) in
    let inputs: [Value]
    if node.inputs.count == 3 {
      inputs = try node.inputs.map { tensor throws(Failure) in try scalar(tensor, reading, node) }
    } else {
      inputs = [node.int("start") ?? 0, node.int("limit") ?? 0, node.int("delta") ?? 1].map {
        reading.integerValue([$0], isScalar: true)
      }
    }
    try reading.emit("Range", inputs, for: node)
  }

  /// A number without axes, which the format may give one.
  private static func scalar(
    _ tensor: Int, _ reading: GraphReading, _ node: MSLiteNode
  ) throws(Failure) -> Value {
    let value = try reading.plain(tensor)
    if reading.facts(of: value).shape == [] { return value }
    return reading.step("Squeeze", [value], of: node, "_number")
  }
}
