import ModelGraph

/// Writes operators on integers as float operators between DequantizeLinear and QuantizeLinear,
/// which say the same.
struct QOperatorExpansion {
  private let graph: Graph
  private var names: UniqueNames
  private var nodes: [Node] = []
  private var expanded = 0

  /// Changes the main graph.
  ///
  /// - Returns: how many operators were written anew.
  /// - Complexity: O(nodes).
  static func apply(to model: Model) -> Int {
    var pass = QOperatorExpansion(graph: model.graph, names: UniqueNames(in: model))
    for node in model.graph.nodes { pass.visit(node) }
    model.graph.nodes = pass.nodes
    return pass.expanded
  }

  private mutating func visit(_ node: Node) {
    guard let known = QuantizedOperator(node), let result = node.outputs[0],
      let operands = floats(of: known, node)
    else {
      nodes.append(node)
      return
    }
    expanded += 1
    let scale = known.result.scale < node.inputs.count ? node.inputs[known.result.scale] : nil
    let zeroPoint =
      known.result.zeroPoint < node.inputs.count ? node.inputs[known.result.zeroPoint] : nil
    let float =
      scale == nil ? result : Value(name: names.make(result.name + "_float"))
    nodes.append(
      Node(
        name: node.name, operatorType: known.operatorType, inputs: operands, outputs: [float],
        attributes: node.attributes.filter { !known.dropped.contains($0.name) }))
    guard let scale else { return }
    nodes.append(
      Node(
        name: result.name + "_QuantizeLinear", operatorType: "QuantizeLinear",
        inputs: [float, scale] + (zeroPoint.map { [$0] } ?? []), outputs: [result]))
  }

  /// The float operands, behind DequantizeLinear; nil if one of them can't be had.
  private mutating func floats(of known: QuantizedOperator, _ node: Node) -> [Value?]? {
    var made: [Node] = []
    var operands: [Value?] = []
    func input(_ place: Int) -> Value? { place < node.inputs.count ? node.inputs[place] : nil }
    for operand in known.operands {
      switch operand {
      case .plain(let place): operands.append(input(place))
      case .integers(let place, let scale, let zeroPoint, let axis):
        guard let value = input(place), let scale = input(scale) else { return nil }
        let (dequantize, float) = dequantized(value, scale, input(zeroPoint), axis)
        made.append(dequantize)
        operands.append(float)
      case .bias(let place, let places):
        guard let value = input(place) else { continue }
        guard let scale = product(of: places.map(input), for: value) else { return nil }
        let (dequantize, float) = dequantized(value, scale, nil, 0)
        made.append(dequantize)
        operands.append(float)
      }
    }
    nodes += made
    return operands
  }

  private mutating func dequantized(
    _ value: Value, _ scale: Value, _ zeroPoint: Value?, _ axis: Int
  ) -> (Node, Value) {
    let float = Value(name: names.make(value.name + "_dequantized"))
    let node = Node(
      name: float.name, operatorType: "DequantizeLinear",
      inputs: [value, scale] + (zeroPoint.map { [$0] } ?? []), outputs: [float],
      attributes: [Attribute("axis", .int(Int64(axis)))])
    return (node, float)
  }

  /// A constant of the product of constant scales, of which one may have channels.
  private mutating func product(of scales: [Value?], for value: Value) -> Value? {
    var product: [Float] = [1]
    for scale in scales {
      guard let scale, !scale.isOverridable, let values = scale.constant?.float32Values,
        !values.isEmpty, values.count == 1 || product.count == 1
      else { return nil }
      product =
        values.count == 1 ? product.map { $0 * values[0] } : values.map { $0 * product[0] }
    }
    let constant = Value(name: names.make(value.name + "_scale"))
    constant.initializer = TensorData(float32: product, isScalar: product.count == 1)
    graph.initializers.append(constant)
    return constant
  }
}
