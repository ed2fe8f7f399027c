import ModelFormats
import ModelGraph
import Support

/// Operators that work element by element, in whatever order of axes their inputs are.
enum Elementwise {
  static let translations: [String: OperatorTranslation] =
    unary.mapValues(translationOfOne)
    .merging(binary.mapValues(translationOfSeveral)) { first, _ in first }
    .merging(chained.mapValues(translationOfChain)) { first, _ in first }
    .merging([
      "Identity": pass, "Dropout": pass, "Cast": cast, "Mod": remainder, "Cos": cosine,
      "Pow": power, "QuantizeLinear": border(from: .float32, to: .int8),
      "DequantizeLinear": border(from: .int8, to: .float32),
    ]) { first, _ in
      first
    }

  private static let unary = [
    "Abs": "Abs", "Exp": "ExpFusion", "Log": "Log", "Sqrt": "Sqrt", "Neg": "Neg",
    "Floor": "Floor", "Ceil": "Ceil", "Round": "Round", "Sin": "Sin", "Erf": "Erf",
    "Reciprocal": "Reciprocal", "Not": "LogicalNot",
  ]

  private static let binary = [
    "Add": "AddFusion", "Sub": "SubFusion", "Mul": "MulFusion", "Div": "DivFusion",
    "Equal": "Equal", "Greater": "Greater", "Less": "Less",
    "GreaterOrEqual": "GreaterEqual", "LessOrEqual": "LessEqual", "And": "LogicalAnd",
    "Or": "LogicalOr",
  ]

  private static let chained = ["Max": "Maximum", "Min": "Minimum", "Sum": "AddFusion"]

  /// From floats to integers or back; the integers' tensor says how.
  private static func border(from: ElementType, to: ElementType) -> OperatorTranslation {
    return { (translation: Translation, node: Node) throws(Failure) -> Void in
      guard
        [node.operandIfAny(0), node.outputs.first ?? nil].contains(where: {
          $0?.activation != nil
        })
      else { throw node.refused("its scale and zero point are not one constant int8 grid") }
      let types = [from, to].map { Int64($0.msliteCode ?? 0) }
      try one(
        MSLitePrimitive("QuantDTypeCast", ["src_t": .int(types[0]), "dst_t": .int(types[1])]),
        translation, node)
    }
  }

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

  /// The runtime's own is off by a thousandth.
  private static let cosine: OperatorTranslation = {
    @Sendable (translation, node) throws(Failure) in
    let value = try node.operand(0)
    let order = translation.order(of: value)
    let turned = translation.node(
      MSLitePrimitive("AddFusion"),
      [try translation.tensor(value, order), translation.floats([.pi / 2], dimensions: [1])],
      name: translation.unique(node.displayName + "_turned"), type: translation.type(of: value))
    translation.emit(MSLitePrimitive("Sin"), [turned], for: node, order: order)
  }

  /// The runtime's exponents are one number, or as many as there are bases.
  private static let power: OperatorTranslation = {
    @Sendable (translation, node) throws(Failure) in
    let shapes = try (0..<2).map { index throws(Failure) in
      translation.facts.of(try node.operand(index)).shape
    }
    let isOne = shapes[1]?.allSatisfy { $0 == 1 } ?? false
    guard isOne || (shapes[0] == shapes[1] && shapes[0]?.contains(nil) == false) else {
      throw node.refused("its exponents are broadcast")
    }
    try several(MSLitePrimitive("PowFusion"), translation, node)
  }

  private static let remainder: OperatorTranslation = {
    @Sendable (translation, node) throws(Failure) in
    let isC = (node.int("fmod") ?? 0) != 0
    try several(MSLitePrimitive(isC ? "Mod" : "FloorMod"), translation, node)
  }
}
