import ModelGraph
import Support

/// Attributes that became inputs, so that they can be computed.
enum AttributeUpgrade {
  /// Makes list attributes into inputs, in the order given; those that are absent are left out.
  private static func move(
    _ node: Node, _ lists: [(name: String, input: Int)], _ context: inout RewriteContext
  ) throws(Failure) -> [Node] {
    try context.check(node, lists.map(\.name))
    var nodes: [Node] = []
    for (name, input) in lists {
      guard let values = node.ints(name) else { continue }
      let constant = context.constant(TensorData(int64: values), name, of: node)
      node.setAttribute(name, nil)
      node.setInput(input, constant.output)
      nodes.append(constant)
    }
    return nodes + [node]
  }

  /// Squeeze, Unsqueeze and the reductions.
  static func axes(_ node: Node, _ context: inout RewriteContext) throws(Failure) -> [Node] {
    if node.ints("axes")?.isEmpty == true { node.setAttribute("axes", nil) }
    return try move(node, [("axes", 1)], &context)
  }

  static func split(_ node: Node, _ context: inout RewriteContext) throws(Failure) -> [Node] {
    try move(node, [("split", 1)], &context)
  }

  /// Without sizes the number of parts has to be said since 18.
  static func splitCount(_ node: Node, _ context: inout RewriteContext) throws(Failure) -> [Node] {
    if node.inputs.count < 2 || node.inputs[1] == nil {
      node.setAttribute("num_outputs", .int(Int64(node.outputs.count)))
    }
    return [node]
  }

  static func slice(_ node: Node, _ context: inout RewriteContext) throws(Failure) -> [Node] {
    try move(node, [("starts", 1), ("ends", 2), ("axes", 3)], &context)
  }

  static func topK(_ node: Node, _ context: inout RewriteContext) throws(Failure) -> [Node] {
    try context.check(node, ["k"])
    guard let count = node.int("k") else { throw context.unsupported(node, "it lacks k") }
    let constant = context.constant(TensorData(int64: [count]), "k", of: node)
    node.setAttribute("k", nil)
    node.setInput(1, constant.output)
    return [constant, node]
  }

  static func clip(_ node: Node, _ context: inout RewriteContext) throws(Failure) -> [Node] {
    try context.check(node, ["min", "max"])
    var nodes: [Node] = []
    for (index, name) in [(1, "min"), (2, "max")] {
      guard let limit = node.float(name) else { continue }
      nodes += scalar(limit, name, input: index, of: node, &context)
      node.setAttribute(name, nil)
    }
    return nodes + [node]
  }

  static func pad(_ node: Node, _ context: inout RewriteContext) throws(Failure) -> [Node] {
    try context.check(node, ["pads", "value"])
    var nodes = try move(node, [("pads", 1)], &context)
    if let value = node.float("value") {
      node.setAttribute("value", nil)
      if value != 0 { nodes = scalar(value, "value", input: 2, of: node, &context) + nodes }
    }
    return nodes
  }

  static func dropout(_ node: Node, _ context: inout RewriteContext) throws(Failure) -> [Node] {
    try context.check(node, ["ratio"])
    guard let ratio = node.float("ratio") else { return [node] }
    let constant = context.constant(
      TensorData(float32: [ratio], isScalar: true), "ratio", of: node)
    node.setAttribute("ratio", nil)
    node.setInput(1, constant.output)
    return [constant, node]
  }

  static func dft(_ node: Node, _ context: inout RewriteContext) throws(Failure) -> [Node] {
    try context.check(node, ["axis"])
    let constant = context.constant(
      TensorData(int64: [node.int("axis") ?? 1], isScalar: true), "axis", of: node)
    node.setAttribute("axis", nil)
    node.setInput(2, constant.output)
    return [constant, node]
  }

  /// A scalar input of the data's own type: a float, cast where the data is of another type.
  private static func scalar(
    _ number: Float, _ name: String, input: Int, of node: Node, _ context: inout RewriteContext
  ) -> [Node] {
    let constant = context.constant(
      TensorData(float32: [number], isScalar: true), name, of: node)
    let type = (node.inputs.first ?? nil).map { TypeSearch.elementType(of: $0) } ?? .float32
    guard type != .float32 else {
      node.setInput(input, constant.output)
      return [constant]
    }
    let cast = context.node(
      "Cast", [constant.output], name + "_cast", of: node,
      [Attribute("to", .int(Int64(type.onnxCode)))])
    node.setInput(input, cast.output)
    return [constant, cast]
  }
}

/// Finds the element type of a value that may not be declared.
enum TypeSearch {
  /// Operators whose output has another type than their first input.
  private static let changing: Set<String> = [
    "Shape", "Size", "ArgMax", "ArgMin", "NonZero", "ConstantOfShape", "Range", "EyeLike",
    "DequantizeLinear",
  ]

  /// The type, from the declaration or by walking to where the value comes from; float32 where
  /// that leads nowhere.
  static func elementType(of value: Value) -> ElementType {
    var value = value
    for _ in 0..<1000 {
      if case .tensor(let type, _) = value.type, type != .undefined { return type }
      if let constant = value.constant { return constant.elementType }
      guard let node = value.producer, node.isStandard else { return .float32 }
      if node.operatorType == "Cast", let code = node.int("to") {
        return ElementType(onnxCode: Int32(truncatingIfNeeded: code))
      }
      let index = node.operatorType == "Where" ? 1 : 0
      guard !changing.contains(node.operatorType), index < node.inputs.count,
        let input = node.inputs[index]
      else { return .float32 }
      value = input
    }
    return .float32
  }
}
