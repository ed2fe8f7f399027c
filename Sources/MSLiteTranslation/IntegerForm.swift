import GraphPasses
import ModelGraph

/// Lets operators between DequantizeLinear and QuantizeLinear work on the integers themselves, as
/// the format's operators do. What remains of the two are the borders to what stays float.
struct IntegerForm {
  private let graph: Graph
  private let uses: GraphUses
  private let movers: Set<String>
  private var removed: Set<ObjectIdentifier> = []
  private var following: [ObjectIdentifier: Node] = [:]

  /// - Parameter movers: operators that only move elements, in integers too.
  /// - Complexity: O(edges).
  static func apply(to graph: Graph, movers: Set<String>) {
    guard graph.nodes.contains(where: { $0.isONNX("QuantizeLinear") }) else { return }
    var pass = IntegerForm(graph: graph, uses: GraphUses(graph), movers: movers)
    for node in graph.nodes { pass.note(node) }
    for node in graph.nodes { pass.move(node) }
    for node in graph.nodes { pass.compute(node) }
    graph.nodes = graph.nodes.flatMap { node in
      [node, pass.following[ObjectIdentifier(node)]].compactMap { $0 }
    }.filter { !pass.removed.contains(ObjectIdentifier($0)) }
    let remaining = GraphUses(graph)
    graph.nodes.removeAll { node in
      node.isONNX("DequantizeLinear")
        && !node.outputs.contains { $0.map(remaining.isUsed) ?? false }
    }
  }

  /// The scale and zero point that QuantizeLinear and DequantizeLinear state, one for the tensor.
  private static func grid(_ node: Node) -> ActivationQuantization? {
    guard node.inputs.count == 3, let scale = node.inputs[1]?.constant?.float32Values,
      scale.count == 1, let zeroPoint = node.inputs[2]?.constant,
      zeroPoint.elementType == .int8, zeroPoint.elementCount == 1,
      let byte = zeroPoint.packed?.withUnsafeBytes(\.first)
    else { return nil }
    return ActivationQuantization(
      elementType: .int8, scale: scale[0], zeroPoint: Int32(Int8(bitPattern: byte)),
      readers: .all)
  }

  /// Notes how the integers that a node makes stand for numbers.
  private func note(_ node: Node) {
    if node.isONNX("QuantizeLinear"), case let integers?? = node.outputs.first {
      integers.activation = IntegerForm.grid(node)
    }
  }

  /// The integers behind a float value.
  private func integers(of value: Value?) -> Value? {
    guard let node = value?.producer, node.isONNX("DequantizeLinear"),
      case let integers?? = node.inputs.first, integers.activation != nil
    else { return nil }
    return integers
  }

  private static func areEqual(_ a: Value, _ b: Value) -> Bool {
    a.activation?.scale == b.activation?.scale && a.activation?.zeroPoint == b.activation?.zeroPoint
  }

  // MARK: Moving

  /// Moves integers in place of floats if they are wanted behind the node.
  private mutating func move(_ node: Node) {
    if node.isONNX("QuantizeLinear") { return skip(node) }
    guard node.isStandard, movers.contains(node.operatorType), node.outputs.count == 1,
      case let result?? = node.outputs.first, let source = integers(of: node.inputs.first ?? nil),
      let dequantize = node.inputs[0]?.producer, isWanted(result, like: source)
    else { return }
    if node.isONNX("Flatten"), node.int("axis") ?? 1 != 1 { return }
    let count = node.operatorType == "Concat" ? node.inputs.count : 1
    let moving = node.inputs.prefix(count).compactMap(integers)
    guard moving.count == count, moving.allSatisfy({ IntegerForm.areEqual($0, source) }) else {
      return
    }
    let moved = Value(name: result.name + "_integers")
    moved.activation = source.activation
    node.inputs.replaceSubrange(..<count, with: moving)
    node.outputs = [moved]
    following[ObjectIdentifier(node)] = Node(
      name: result.name + "_DequantizeLinear", operatorType: "DequantizeLinear",
      inputs: [moved] + dequantize.inputs.dropFirst(), outputs: [result])
  }

  /// Takes out a QuantizeLinear that makes the integers that are there already.
  private mutating func skip(_ node: Node) {
    guard case let result?? = node.outputs.first, let source = integers(of: node.inputs[0]),
      IntegerForm.areEqual(source, result)
    else { return }
    for reader in uses.readers(of: result) {
      reader.inputs = reader.inputs.map { $0 === result ? source : $0 }
    }
    removed.insert(ObjectIdentifier(node))
  }

  private func isWanted(_ value: Value, like source: Value, depth: Int = 0) -> Bool {
    guard depth < 32 else { return false }
    return uses.readers(of: value).contains { reader in
      guard case let result?? = reader.outputs.first else { return false }
      if reader.isONNX("QuantizeLinear") { return IntegerForm.areEqual(source, result) }
      return reader.isStandard && movers.contains(reader.operatorType)
        && (reader.operatorType == "Concat" || reader.inputs.first.flatMap { $0 } === value)
        && isWanted(result, like: source, depth: depth + 1)
    }
  }

  // MARK: Computing

  /// Lets an operator with integer weights read integers and make them.
  private mutating func compute(_ node: Node) {
    guard let source = integers(of: node.inputs.first ?? nil), node.inputs.count > 1,
      node.inputs[1]?.quantized?.storage.elementType == .int8,
      case let result?? = node.outputs.first, var reader = uses.onlyReader(of: result)
    else { return }
    var inputs = node.inputs
    inputs[0] = source
    var passed: [Node] = []
    if reader.isONNX("Add"), inputs.count == 2,
      let bias = reader.inputs.first(where: { $0?.quantized?.storage.elementType == .int32 }),
      case let sum?? = reader.outputs.first, let next = uses.onlyReader(of: sum)
    {
      inputs.append(bias)
      passed.append(reader)
      reader = next
    }
    guard reader.isONNX("QuantizeLinear"), case let integers?? = reader.outputs.first,
      integers.activation != nil
    else { return }
    node.inputs = inputs
    node.outputs = [integers]
    removed.formUnion((passed + [reader]).map(ObjectIdentifier.init))
  }
}
