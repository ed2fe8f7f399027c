import ModelFormats
import ModelGraph
import Support

/// Activation functions, by themselves or within other operators.
enum ActivationReadings {
  static let readings: [String: OperatorReading] = [
    "Activation": activation, "Elu": elu, "LeakyRelu": leaky, "Clip": clip, "PReLUFusion": slope,
  ]

  /// ONNX's operators for the format's numbers, where the two are the same.
  private static let plain: [Int64: String] = [
    1: "Relu", 2: "Sigmoid", 6: "Abs", 8: "Softsign", 9: "Softplus", 10: "Tanh", 12: "HardSwish",
  ]

  private static let activation: OperatorReading = { @Sendable (reading, node) throws(Failure) in
    let held = try reading.heldValue(try node.operand(0))
    let tensor = try reading.output(of: node)
    let value = try apply(
      node.int("activation_type") ?? 0, to: held.value, reading, node, name: node.name,
      output: reading.name(of: tensor))
    try reading.hold(node, value, held.order)
  }

  /// The activation of a number, with the settings that the node has for it.
  static func apply(
    _ number: Int64, to x: Value, _ reading: GraphReading, _ node: MSLiteNode, name: String,
    output: String
  ) throws(Failure) -> Value {
    if let type = plain[number] { return reading.add(type, [x], name: name, output: output) }
    func bounded(_ low: Float, _ high: Float) -> Value {
      reading.add(
        "Clip", [x, reading.number(low), reading.number(high)], name: name, output: output)
    }
    let alpha = node.float("alpha") ?? 0
    switch number {
    case 0, 15: return reading.add("Identity", [x], name: name, output: output)
    case 3: return bounded(0, 6)
    case 4:
      return reading.add(
        "Elu", [x], [Attribute("alpha", .float(alpha))], name: name, output: output)
    case 5:
      return reading.add(
        "LeakyRelu", [x], [Attribute("alpha", .float(alpha))], name: name, output: output)
    case 13:
      return reading.add(
        "HardSigmoid", [x], [Attribute("alpha", .float(1 / 6)), Attribute("beta", .float(0.5))],
        name: name,
        output: output)
    case 16: return bounded(node.float("min_val") ?? 0, node.float("max_val") ?? 0)
    case 18:
      let gate = reading.step("Sigmoid", [x], of: node, "_gate")
      return reading.add("Mul", [x, gate], name: name, output: output)
    case 19:
      return gelu(x, reading, node, name: name, output: output)
    default: throw node.unreadable("its activation has the number \(number)")
    }
  }

  /// `x (1 + erf(x / sqrt 2)) / 2`, since ONNX's own operator needs a newer operator set; approximated,
  /// `x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2`.
  private static func gelu(
    _ x: Value, _ reading: GraphReading, _ node: MSLiteNode, name: String, output: String
  ) -> Value {
    let share: Value
    if node.int("approximate") ?? 0 == 0 {
      let scaled = reading.step(
        "Div", [x, reading.number(Float(2).squareRoot())], of: node, "_scaled")
      share = reading.step("Erf", [scaled], of: node, "_erf")
    } else {
      let square = reading.step("Mul", [x, x], of: node, "_square")
      let cubic = reading.step("Mul", [square, reading.number(0.044715)], of: node, "_cubic")
      let slope = reading.step("Add", [cubic, reading.number(1)], of: node, "_slope")
      let bent = reading.step("Mul", [x, slope], of: node, "_bent")
      let scaled = reading.step(
        "Mul", [bent, reading.number((2 / Float.pi).squareRoot())], of: node, "_scaled")
      share = reading.step("Tanh", [scaled], of: node, "_tanh")
    }
    let raised = reading.step("Add", [share, reading.number(1)], of: node, "_raised")
    let product = reading.step("Mul", [x, raised], of: node, "_product")
    return reading.add("Mul", [product, reading.number(0.5)], name: name, output: output)
  }

  private static let elu: OperatorReading = { @Sendable (reading, node) throws(Failure) in
    try ElementwiseReadings.one(
      "Elu", reading, node, [Attribute("alpha", .float(node.float("alpha") ?? 0))])
  }

  private static let leaky: OperatorReading = { @Sendable (reading, node) throws(Failure) in
    try ElementwiseReadings.one(
      "LeakyRelu", reading, node, [Attribute("alpha", .float(node.float("negative_slope") ?? 0))])
  }

  private static let clip: OperatorReading = { @Sendable (reading, node) throws(Failure) in
    let held = try reading.heldValue(try node.operand(0))
    var bounds = [
      node.float("min").map { reading.number($0) }, node.float("max").map { reading.number($0) },
    ]
    for (index, tensor) in node.inputs.dropFirst().prefix(2).enumerated() {
      guard let data = try reading.constant(tensor), data.elementCount == 1,
        let bound = data.float32Values?.first
      else { throw node.unreadable("its bounds are not constant numbers") }
      bounds[index] = reading.number(bound)
    }
    try reading.emit("Clip", [held.value] + bounds, for: node, order: held.order)
  }

  private static let slope: OperatorReading = { @Sendable (reading, node) throws(Failure) in
    let tensor = try node.operand(0)
    let slopes = try node.operand(1)
    guard let data = try reading.constant(slopes), let rank = reading.rank(of: tensor), rank >= 2
    else { throw node.unreadable("the slopes or the rank of the input aren't known") }
    let order = AxisOrder.channelsSecond(rank)
    let shaped = TensorData(
      elementType: data.elementType,
      dimensions: [data.elementCount] + Array(repeating: 1, count: rank - 2), storage: data.storage)
    try reading.emit(
      "PRelu",
      [
        try reading.value(tensor, order),
        reading.add(shaped, name: reading.unique(reading.name(of: slopes) + "_shaped")),
      ], for: node, order: order)
  }
}
