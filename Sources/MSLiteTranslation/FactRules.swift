import ModelGraph

/// How each operator's results follow from its inputs' facts.
enum FactRules {
  /// The facts of a node's outputs, as many as it has; nothing is known of those of an operator
  /// without a rule but that they have the first input's type.
  static func results(of node: Node, inputs: [ValueFacts?]) -> [ValueFacts] {
    let first = inputs.first.flatMap { $0 } ?? ValueFacts()
    let shapes = ShapeRules.shapes(of: node, inputs: inputs)
    let contents = ContentRules.contents(of: node, inputs: inputs)
    return node.outputs.indices.map { index in
      ValueFacts(
        elementType: elementType(of: node, output: index, inputs, first),
        shape: index < shapes.count ? shapes[index] : nil,
        contents: index == 0 ? contents : nil)
    }
  }

  private static let predicates: Set<String> = [
    "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "And", "Or", "Xor", "Not",
    "IsNaN", "IsInf",
  ]

  private static func elementType(
    of node: Node, output: Int, _ inputs: [ValueFacts?], _ first: ValueFacts
  ) -> ElementType? {
    switch node.operatorType {
    case let type where predicates.contains(type): return .bool
    case "Shape", "Size", "ArgMax", "ArgMin", "NonZero", "NonMaxSuppression": return .int64
    case "TopK": return output == 0 ? first.elementType : .int64
    case "Cast": return node.int("to").map { ElementType(onnxCode: $0) }
    case "Where": return (inputs.count > 1 ? inputs[1]?.elementType : nil) ?? first.elementType
    case "OneHot": return inputs.count > 2 ? inputs[2]?.elementType : nil
    case "ConstantOfShape":
      if case .tensor(let data) = node.attribute("value") { return data.elementType }
      return .float32
    case "Constant": return constant(of: node)?.elementType
    case "QuantizeLinear": return inputs.last.flatMap { $0?.elementType }
    case "DequantizeLinear": return .float32
    case "Dropout", "MaxPool": return output == 0 ? first.elementType : .bool
    default: return first.elementType
    }
  }

  /// The elements of a Constant node in any of its forms but texts and sparse ones.
  static func constant(of node: Node) -> TensorData? {
    if let data = node.constantOutput { return data }
    guard node.isONNX("Constant") else { return nil }
    if let value = node.int("value_int") { return TensorData(int64: [value], isScalar: true) }
    if let values = node.ints("value_ints") { return TensorData(int64: values) }
    if let value = node.float("value_float") {
      return TensorData(float32: [value], isScalar: true)
    }
    if case .floats(let values) = node.attribute("value_floats") {
      return TensorData(float32: values)
    }
    return nil
  }
}
