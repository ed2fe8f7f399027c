import ModelGraph
import Support

/// A node on its way to the next version, with the nodes that come to stand around it.
final class NodeRewrite {
  /// The node.
  let node: Node
  /// The graph it stands in.
  let graph: Graph
  /// The main graph or function it belongs to.
  let unit: UpgradeUnit
  /// New nodes ahead of the node, in order.
  private(set) var before: [Node] = []
  /// New nodes behind the node, in order.
  private(set) var after: [Node] = []

  init(_ node: Node, in graph: Graph, of unit: UpgradeUnit) {
    self.node = node
    self.graph = graph
    self.unit = unit
  }

  private static let inliningHelp = "inline the model's functions first (onnx.inliner)"

  /// The version that the model will have in the end.
  var target: Int { unit.session.target }

  /// Says that the node can't be expressed in the new version.
  func refusal(
    _ reason: String, help: String = "export the model again with a newer operator set"
  ) -> Failure {
    Failure(
      .opsetUnsupported,
      "the node \(node.operatorType) '\(node.displayName)' cannot be raised to "
        + "operator set \(target)",
      notes: [reason], help: help)
  }

  // MARK: Settings

  /// An integer attribute; throws when the attribute holds something else.
  func int(_ name: String) throws(Failure) -> Int64? {
    try read(name, node.int(name), "an integer")
  }

  /// A float attribute; throws when the attribute holds something else.
  func float(_ name: String) throws(Failure) -> Float? {
    try read(name, node.float(name), "a float")
  }

  /// A list of integers; throws when the attribute holds something else.
  func ints(_ name: String) throws(Failure) -> [Int64]? {
    try read(name, node.ints(name), "a list of integers")
  }

  /// A list of floats; throws when the attribute holds something else.
  func floats(_ name: String) throws(Failure) -> [Float]? {
    if case .floats(let values) = node.attribute(name) { return values }
    return try read(name, nil, "a list of floats")
  }

  /// A text attribute; throws when the attribute holds something else.
  func text(_ name: String) throws(Failure) -> String? {
    try read(name, node.string(name), "text")
  }

  /// The value, which an attribute must have.
  func required<Wanted>(_ name: String, _ value: Wanted?) throws(Failure) -> Wanted {
    guard let value else { throw refusal("it lacks the attribute '\(name)'") }
    return value
  }

  private func read<Wanted>(
    _ name: String, _ value: Wanted?, _ kind: String
  ) throws(Failure) -> Wanted? {
    if value == nil, let other = node.attribute(name) {
      if case .opaque = other {
        throw refusal(
          "its attribute '\(name)' is set by the callers of the function it stands in",
          help: NodeRewrite.inliningHelp)
      }
      throw refusal("its attribute '\(name)' is not \(kind)")
    }
    return value
  }

  // MARK: Inputs and outputs

  /// The input at `index`, if it is given.
  func input(_ index: Int) -> Value? { index < node.inputs.count ? node.inputs[index] : nil }

  /// The input at `index`; throws when it is left out.
  func requiredInput(_ index: Int) throws(Failure) -> Value {
    guard let value = input(index) else { throw refusal("it lacks its input \(index)") }
    return value
  }

  /// Sets the input at `index`; inputs in between are left out.
  func setInput(_ index: Int, _ value: Value?) {
    while node.inputs.count <= index { node.inputs.append(nil) }
    node.inputs[index] = value
  }

  /// The first output; throws when there is none.
  func requiredOutput() throws(Failure) -> Value {
    guard let value = node.outputs.first ?? nil else { throw refusal("it has no output") }
    return value
  }

  // MARK: New nodes

  /// Puts a node with one output ahead of the node; `role` becomes part of names.
  func insert(
    _ type: String, _ inputs: [Value?], _ attributes: [Attribute] = [], role: String
  ) -> Value {
    let value = newValue(role)
    before.append(
      Node(
        name: value.name, operatorType: type, inputs: inputs, outputs: [value],
        attributes: attributes))
    return value
  }

  /// Makes the node's first output a new value.
  func divertOutput(role: String) -> Value {
    let value = newValue(role)
    node.outputs[0] = value
    return value
  }

  /// Puts a node behind the node that makes `output`.
  func append(
    _ type: String, _ inputs: [Value?], _ attributes: [Attribute] = [], output: Value
  ) {
    after.append(
      Node(
        name: unit.session.makeValue(output.name + "_" + type).name, operatorType: type,
        inputs: inputs, outputs: [output], attributes: attributes))
  }

  /// Puts a constant ahead of the node.
  func constant(_ data: TensorData, role: String) -> Value {
    insert("Constant", [], [Attribute("value", .tensor(data))], role: role)
  }

  /// Puts a scalar of the element type of `value` ahead of the node.
  ///
  /// - Throws: the type is not known, and the target has no CastLike.
  func scalar(_ number: Float, like value: Value, role: String) throws(Failure) -> Value {
    guard let type = ElementTypeFinder.elementType(of: value) else {
      guard target >= 15 else { throw unknownType(of: value) }
      let single = constant(TensorData(float32: [number], isScalar: true), role: role + "_float32")
      return insert("CastLike", [single, value], role: role)
    }
    guard let data = TensorData(scalar: number, type) else {
      throw refusal("its input '\(value.name)' has \(type.name) elements")
    }
    return constant(data, role: role)
  }

  /// Says that the element type of a value must be known.
  func unknownType(of value: Value) -> Failure {
    refusal(
      "the element type of '\(value.name)' is not known",
      help: unit.isFunction
        ? NodeRewrite.inliningHelp
        : "run onnx.shape_inference.infer_shapes on the model first")
  }

  private func newValue(_ role: String) -> Value {
    unit.session.makeValue(node.displayName + "_" + role)
  }
}

extension TensorData {
  /// A floating-point scalar, rounded to the type; nil for types other than IEEE's.
  fileprivate init?(scalar number: Float, _ type: ElementType) {
    let bytes: [UInt8]
    switch type {
    case .float16: bytes = withUnsafeBytes(of: Float16(number).bitPattern.littleEndian, Array.init)
    case .float32: bytes = withUnsafeBytes(of: number.bitPattern.littleEndian, Array.init)
    case .float64: bytes = withUnsafeBytes(of: Double(number).bitPattern.littleEndian, Array.init)
    default: return nil
    }
    self.init(elementType: type, dimensions: [], storage: .packed(Bytes(bytes)))
  }
}
