import GraphPasses
import ModelGraph

/// Lets operators between DequantizeLinear and QuantizeLinear work on the integers themselves, as
/// the format's operators do. What remains of the two are the borders to what stays float.
struct IntegerForm {
  private let graph: Graph
  private let uses: GraphUses
  private let movers: Set<String>
  private var removed: Set<ObjectIdentifier> = []
  private var computed: Set<ObjectIdentifier> = []
  private var following: [ObjectIdentifier: Node] = [:]

  /// - Parameter movers: operators that only move elements, in integers too.
  /// - Complexity: O(edges).
  static func apply(to graph: Graph, movers: Set<String>) {
    var pass = IntegerForm(graph: graph, uses: GraphUses(graph), movers: movers)
    for node in graph.nodes { pass.note(node) }
    for node in graph.nodes { pass.move(node) }
    for node in graph.nodes { pass.compute(node) }
    for node in graph.nodes { pass.release(node) }
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
    if node.isONNX("DequantizeLinear"), case let integers?? = node.inputs.first,
      integers.activation == nil, integers.constant == nil
    {
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

  /// The attribute of a node that does a Relu's work on integers, beside ONNX's.
  static let activation = "activation_type"

  /// Lets an operator with integer weights read integers and make them.
  private mutating func compute(_ node: Node) {
    guard let source = integers(of: node.inputs.first ?? nil), let kernel = IntegerKernel(node),
      case let result?? = node.outputs.first, var reader = uses.onlyReader(of: result),
      let inputScale = source.activation?.scale
    else { return }
    var inputs = [source, node.inputs[1]]
    var bias = node.inputs.count > 2 ? node.inputs[2] : nil
    var passed: [Node] = []
    func pass(_ value: Value?) -> Bool {
      guard let value, let next = uses.onlyReader(of: value) else { return false }
      passed.append(reader)
      reader = next
      return true
    }
    if reader.isONNX("Add"), bias == nil, node.isONNX("MatMul"),
      let added = reader.inputs.first(where: { $0 !== result }) ?? nil,
      kernel.bias(added, inputScale: inputScale) != nil
    {
      bias = added
      guard pass(reader.outputs.first ?? nil) else { return }
    }
    let clipping = reader
    var activation: Int64 = 0
    if ["Relu", "Clip"].contains(reader.operatorType), !pass(reader.outputs.first ?? nil) {
      return
    }
    guard reader.isONNX("QuantizeLinear"), case let integers?? = reader.outputs.first,
      let grid = integers.activation
    else { return }
    if clipping !== reader {
      guard let known = kernel.activation(for: clipping, before: grid) else { return }
      activation = known
    }
    if let bias {
      guard let known = kernel.bias(bias, inputScale: inputScale) else { return }
      inputs.append(constant(known, like: bias))
    }
    node.inputs = inputs
    node.outputs = [integers]
    if activation != 0 { node.setAttribute(IntegerForm.activation, .int(activation)) }
    computed.insert(ObjectIdentifier(node))
    removed.formUnion((passed + [reader]).map(ObjectIdentifier.init))
  }

  /// A bias of its own for an operator on integers: others may read the floats.
  private func constant(_ quantized: QuantizedConstant, like bias: Value) -> Value {
    if bias.quantized != nil, uses.readers(of: bias).count == 1 {
      bias.quantized = quantized
      return bias
    }
    let value = Value(name: bias.name + "_int32")
    value.initializer = quantized.source
    value.quantized = quantized
    graph.initializers.append(value)
    return value
  }

  // MARK: What stays float

  /// Operators that the runtime gives floats in place of integers when it loads a file, by the place
  /// of the weights.
  private static let loaded = ["Conv": 1, "ConvTranspose": 1, "MatMul": 1, "Gemm": 1, "Gather": 0]

  /// Lets operators that compute with floats read the floats of constants that were integers in the
  /// model, where the runtime doesn't make floats of them.
  private func release(_ node: Node) {
    guard !computed.contains(ObjectIdentifier(node)) else { return }
    for (place, input) in node.inputs.enumerated() {
      guard let input, let quantized = input.quantized, quantized.knownParameters != nil else {
        continue
      }
      let isLoaded =
        node.isStandard && IntegerForm.loaded[node.operatorType] == place
        && quantized.storage.elementType == .int8
        && (quantized.storage.axis == nil
          || quantized.storage.axis
            == IntegerForm.axis(of: node, rank: quantized.source.dimensions.count))
      if isLoaded { continue }
      let value = Value(name: input.name)
      value.initializer = quantized.source
      graph.initializers.append(value)
      node.inputs[place] = value
    }
  }

  /// The axis that the runtime takes for that of the channels.
  private static func axis(of node: Node, rank: Int) -> Int? {
    switch node.operatorType {
    case "Conv": 0
    case "ConvTranspose": 1
    case "MatMul": rank - 1
    case "Gemm": (node.int("transB") ?? 0) != 0 ? 0 : 1
    case "Gather": Int(clamping: node.int("axis") ?? 0)
    default: nil
    }
  }
}
