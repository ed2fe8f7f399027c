import ModelFormats
import ModelGraph
import Support

/// Operators that work element by element, in whatever order of axes their inputs are.
enum ElementwiseReadings {
  static let readings: [String: OperatorReading] =
    unary.mapValues(readingOfOne)
    .merging(several.mapValues { readingOfSeveral($0) }) { first, _ in first }
    .merging([
      "ExpFusion": exponential, "PowFusion": power, "Mod": remainder, "Cast": cast,
      "Square": square, "Eltwise": combined, "Rsqrt": reciprocalRoot, "NotEqual": notEqual,
      "SquaredDifference": squaredDifference, "FloorDiv": floorQuotient, "FloorMod": floorRemainder,
      "Where": choose,
      "Select": choose, "BiasAdd": readingOfSeveral("Add"),
    ]) { first, _ in first }

  private static let unary = [
    "Abs": "Abs", "Log": "Log", "Sqrt": "Sqrt", "Neg": "Neg", "Floor": "Floor", "Ceil": "Ceil",
    "Round": "Round", "Sin": "Sin", "Cos": "Cos", "Erf": "Erf", "Reciprocal": "Reciprocal",
    "LogicalNot": "Not", "Dropout": "Identity",
  ]

  private static let several = [
    "AddFusion": "Add", "SubFusion": "Sub", "MulFusion": "Mul", "DivFusion": "Div",
    "RealDiv": "Div", "Maximum": "Max", "Minimum": "Min", "AddN": "Sum",
    "Equal": "Equal", "Greater": "Greater", "GreaterEqual": "GreaterOrEqual", "Less": "Less",
    "LessEqual": "LessOrEqual", "LogicalAnd": "And", "LogicalOr": "Or",
  ]

  private static func readingOfOne(_ type: String) -> OperatorReading {
    return { (reading: GraphReading, node: MSLiteNode) throws(Failure) -> Void in
      try one(type, reading, node)
    }
  }

  private static func readingOfSeveral(_ type: String) -> OperatorReading {
    return { (reading: GraphReading, node: MSLiteNode) throws(Failure) -> Void in
      let (inputs, order) = try operands(reading, node)
      try reading.emit(type, inputs, for: node, order: order)
    }
  }

  /// One operand, and the result in its order.
  static func one(
    _ type: String, _ reading: GraphReading, _ node: MSLiteNode, _ attributes: [Attribute] = []
  ) throws(Failure) {
    let held = try reading.heldValue(try node.operand(0))
    try reading.emit(type, [held.value], attributes, for: node, order: held.order)
  }

  private static func operands(
    _ reading: GraphReading, _ node: MSLiteNode
  ) throws(Failure) -> ([Value], AxisOrder?) {
    guard !node.inputs.isEmpty else { throw node.unreadable("input 0 is missing") }
    let order = reading.commonOrder(node.inputs)
    return (
      try node.inputs.map { tensor throws(Failure) in try reading.operand(tensor, in: order) },
      order
    )
  }

  private static func twoOperands(
    _ reading: GraphReading, _ node: MSLiteNode
  ) throws(Failure) -> (Value, Value, AxisOrder?) {
    let (inputs, order) = try operands(reading, node)
    guard inputs.count == 2 else { throw node.unreadable("it doesn't have two inputs") }
    return (inputs[0], inputs[1], order)
  }

  private static let exponential: OperatorReading = { @Sendable (reading, node) throws(Failure) in
    guard node.float("base") ?? -1 == -1, node.float("scale") ?? 1 == 1,
      node.float("shift") ?? 0 == 0
    else { throw node.unreadable("it has a base, a scale or a shift") }
    try one("Exp", reading, node)
  }

  private static let power: OperatorReading = { @Sendable (reading, node) throws(Failure) in
    guard node.float("scale") ?? 1 == 1, node.float("shift") ?? 0 == 0 else {
      throw node.unreadable("it has a scale or a shift")
    }
    let (base, exponent, order) = try twoOperands(reading, node)
    try reading.emit("Pow", [base, exponent], for: node, order: order)
  }

  private static let combined: OperatorReading = { @Sendable (reading, node) throws(Failure) in
    let types: [Int64: String] = [0: "Mul", 1: "Add", 2: "Max"]
    guard let type = types[node.int("mode") ?? 0] else {
      throw node.unreadable("its mode is \(node.int("mode") ?? 0)")
    }
    let (a, b, order) = try twoOperands(reading, node)
    try reading.emit(type, [a, b], for: node, order: order)
  }

  private static let remainder: OperatorReading = { @Sendable (reading, node) throws(Failure) in
    let (a, b, order) = try twoOperands(reading, node)
    try reading.emit("Mod", [a, b], [Attribute("fmod", .int(1))], for: node, order: order)
  }

  private static let cast: OperatorReading = { @Sendable (reading, node) throws(Failure) in
    guard let code = try reading.integers(node.operandIfAny(1))?.first,
      let stored = Int32(exactly: code).flatMap({ ElementType(msliteCode: $0) }),
      let type = ConstantReading.type(stored)
    else { throw node.unreadable("it casts to a type that isn't known") }
    let held = try reading.heldValue(try node.operand(0))
    if reading.facts(of: held.value).elementType == type {
      return try reading.hold(node, held.value, held.order)
    }
    try one("Cast", reading, node, [Attribute("to", .int(Int64(type.onnxCode)))])
  }

  private static let square: OperatorReading = { @Sendable (reading, node) throws(Failure) in
    let held = try reading.heldValue(try node.operand(0))
    try reading.emit("Mul", [held.value, held.value], for: node, order: held.order)
  }

  private static let reciprocalRoot: OperatorReading = {
    @Sendable (reading, node) throws(Failure) in
    let held = try reading.heldValue(try node.operand(0))
    let root = reading.step("Sqrt", [held.value], of: node, "_root")
    try reading.emit("Reciprocal", [root], for: node, order: held.order)
  }

  private static let notEqual: OperatorReading = { @Sendable (reading, node) throws(Failure) in
    let (a, b, order) = try twoOperands(reading, node)
    let equal = reading.step("Equal", [a, b], of: node, "_equal")
    try reading.emit("Not", [equal], for: node, order: order)
  }

  private static let squaredDifference: OperatorReading = {
    @Sendable (reading, node) throws(Failure) in
    let (a, b, order) = try twoOperands(reading, node)
    let difference = reading.step("Sub", [a, b], of: node, "_difference")
    try reading.emit("Mul", [difference, difference], for: node, order: order)
  }

  private static let floorQuotient: OperatorReading = {
    @Sendable (reading, node) throws(Failure) in
    let (a, b, order) = try twoOperands(reading, node)
    guard reading.facts(of: a).elementType == .float32 else {
      throw node.unreadable("it divides integers")
    }
    let quotient = reading.step("Div", [a, b], of: node, "_quotient")
    try reading.emit("Floor", [quotient], for: node, order: order)
  }

  /// `a - floor(a / b) b`, which ONNX's own operator says of integers only.
  private static let floorRemainder: OperatorReading = {
    @Sendable (reading, node) throws(Failure) in
    let (a, b, order) = try twoOperands(reading, node)
    guard reading.facts(of: a).elementType == .float32 else {
      return try reading.emit("Mod", [a, b], for: node, order: order)
    }
    let quotient = reading.step("Div", [a, b], of: node, "_quotient")
    let whole = reading.step("Floor", [quotient], of: node, "_whole")
    let multiple = reading.step("Mul", [whole, b], of: node, "_multiple")
    try reading.emit("Sub", [a, multiple], for: node, order: order)
  }

  private static let choose: OperatorReading = { @Sendable (reading, node) throws(Failure) in
    if node.inputs.count == 1 {
      // A row for each element found, which ONNX has as a column.
      return try reading.emit(
        "NonZero", [try reading.plain(node.inputs[0])], for: node, order: AxisOrder([1, 0]))
    }
    guard node.inputs.count == 3 else { throw node.unreadable("it doesn't have three inputs") }
    let (inputs, order) = try operands(reading, node)
    try reading.emit(
      "Where", [reading.truth(inputs[0], of: node), inputs[1], inputs[2]], for: node, order: order)
  }
}
