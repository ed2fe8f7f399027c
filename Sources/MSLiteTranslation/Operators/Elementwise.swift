import ModelFormats
import ModelGraph
import Support

/// Operators that work element by element, in whatever order of axes their inputs are.
enum Elementwise {
  static let translations: [String: OperatorTranslation] =
    unary.mapValues(translationOfOne)
    .merging(binary.mapValues(translationOfSeveral)) { first, _ in first }
    .merging(chained.mapValues(translationOfChain)) { first, _ in first }
    .merging(["Identity": pass, "Dropout": pass, "Cast": cast, "Mod": remainder]) { first, _ in
      first
    }

  private static let unary = [
    "Abs": "Abs", "Exp": "ExpFusion", "Log": "Log", "Sqrt": "Sqrt", "Neg": "Neg",
    "Floor": "Floor", "Ceil": "Ceil", "Round": "Round", "Sin": "Sin", "Cos": "Cos", "Erf": "Erf",
    "Reciprocal": "Reciprocal", "Not": "LogicalNot",
  ]

  private static let binary = [
    "Add": "AddFusion", "Sub": "SubFusion", "Mul": "MulFusion", "Div": "DivFusion",
    "Pow": "PowFusion", "Equal": "Equal", "Greater": "Greater", "Less": "Less",
    "GreaterOrEqual": "GreaterEqual", "LessOrEqual": "LessEqual", "And": "LogicalAnd",
    "Or": "LogicalOr",
  ]

  private static let chained = ["Max": "Maximum", "Min": "Minimum", "Sum": "AddFusion"]

  private static func translationOfOne(_ name: String) -> OperatorTranslation {
    return { (translation: Translation, node: Node) throws(Failure) -> Void in
      try one(MSLitePrimitive(name), translation, node)
    }
  }

  private static func translationOfSeveral(_ name: String) -> OperatorTranslation {
    return { (translation: Translation, node: Node) throws(Failure) -> Void in
      try several(MSLitePrimitive(name), translation, node)
    }
  }

  private static func translationOfChain(_ name: String) -> OperatorTranslation {
    return { (translation: Translation, node: Node) throws(Failure) -> Void in
      try chain(MSLitePrimitive(name), translation, node)
    }
  }

  /// One operand, and the result in its order.
  static func one(
    _ primitive: MSLitePrimitive, _ translation: Translation, _ node: Node
  ) throws(Failure) {
    let value = try node.operand(0)
    let order = translation.order(of: value)
    let tensor = try translation.tensor(value, order)
    guard let wide = translation.source(ofSqueezed: tensor), case let output?? = node.outputs.first
    else { return translation.emit(primitive, [tensor], for: node, order: order) }
    let result = translation.node(
      primitive, [wide.tensor], name: translation.unique(output.name + "_rows"),
      type: translation.type(of: output), as: node.displayName)
    translation.hold(
      output, translation.squeezed(result, axis: wide.axis, name: output.name), order)
  }

  private static func several(
    _ primitive: MSLitePrimitive, _ translation: Translation, _ node: Node
  ) throws(Failure) {
    let values = try node.inputs.indices.map { index throws(Failure) in try node.operand(index) }
    let order = translation.commonOrder(values)
    let inputs = try values.map { value throws(Failure) in
      try translation.operand(value, in: order)
    }
    translation.emit(primitive, inputs, for: node, order: order)
  }

  private static func chain(
    _ primitive: MSLitePrimitive, _ translation: Translation, _ node: Node
  ) throws(Failure) {
    let values = try node.inputs.indices.map { index throws(Failure) in try node.operand(index) }
    let order = translation.commonOrder(values)
    var inputs = try values.map { value throws(Failure) in
      try translation.operand(value, in: order)
    }
    guard inputs.count > 1 else { return try pass(translation, node) }
    while inputs.count > 2 {
      let partial = translation.node(
        primitive, Array(inputs[..<2]), name: translation.unique(node.displayName + "_part"),
        type: translation.type(of: values[0]))
      inputs.replaceSubrange(..<2, with: [partial])
    }
    translation.emit(primitive, inputs, for: node, order: order)
  }

  private static let pass: OperatorTranslation = { @Sendable (translation, node) throws(Failure) in
    guard case let output?? = node.outputs.first else { return }
    let value = try node.operand(0)
    let order = translation.order(of: value)
    translation.hold(output, try translation.tensor(value, order), order)
  }

  private static let cast: OperatorTranslation = { @Sendable (translation, node) throws(Failure) in
    guard let code = node.int("to"), let type = Constants.stored(ElementType(onnxCode: code)),
      let stored = type.msliteCode
    else { throw node.refused("it casts to a type that the format doesn't have") }
    let value = try node.operand(0)
    if translation.type(of: value) == type { return try pass(translation, node) }
    let order = translation.order(of: value)
    translation.emit(
      MSLitePrimitive("Cast"),
      [try translation.tensor(value, order), translation.integers([stored])], for: node,
      order: order)
  }

  private static let remainder: OperatorTranslation = {
    @Sendable (translation, node) throws(Failure) in
    let isC = (node.int("fmod") ?? 0) != 0
    try several(MSLitePrimitive(isC ? "Mod" : "FloorMod"), translation, node)
  }
}
