import ModelGraph
import Support
import Testing

@testable import ModelFormats

/// One node between typed values, raised from one operator set to another.
struct RaisedNode {
  let model: Model
  let node: Node

  init(
    _ type: String, from old: Int, to new: Int, inputs: [Value?] = [.float("x", [2, 3, 4])],
    outputs: [String] = ["y"], readOutputs: Int = 1, _ attributes: [(String, Attribute.Value)] = []
  ) throws(Failure) {
    node = Node(
      name: "n", operatorType: type, inputs: inputs, outputs: outputs.map { Value(name: $0) },
      attributes: attributes.map { Attribute($0.0, $0.1) })
    let graph = Graph(name: "g")
    graph.inputs = inputs.compactMap { $0 }.filter { $0.initializer == nil }
    graph.initializers = inputs.compactMap { $0 }.filter { $0.initializer != nil }
    graph.outputs = node.outputs.prefix(readOutputs).compactMap { $0 }
    graph.nodes = [node]
    model = Model(
      graph: graph, operatorSets: [OperatorSet(domain: "", version: old)],
      formatVersion: OpsetUpgrade.formatVersion(for: old))
    try OpsetUpgrade.raise(model, to: new)
  }

  /// The operators in order, without constants.
  var operators: [String] { model.graph.operators }

  /// The attributes' names, in order.
  var attributes: [String] { node.attributes.map(\.name) }

  /// The integers that an input holds.
  func integers(_ index: Int) -> [Int64]? { node.integers(index) }

  /// The input, if it is given.
  func input(_ index: Int) -> Value? {
    index < node.inputs.count ? node.inputs[index] : nil
  }
}

extension Graph {
  var operators: [String] { nodes.map(\.operatorType).filter { $0 != "Constant" } }
}

extension Node {
  func integers(_ index: Int) -> [Int64]? {
    index < inputs.count ? inputs[index]?.constant?.integers : nil
  }

  func floats(_ index: Int) -> [Float]? {
    guard index < inputs.count, let data = inputs[index]?.constant else { return nil }
    return data.packed?.load(UInt32.self).map { Float(bitPattern: $0) }
  }
}

extension Value {
  static func typed(_ name: String, _ type: ElementType, _ shape: [Int]?) -> Value {
    let value = Value(name: name)
    value.type = .tensor(type, shape: shape?.map(Dimension.fixed))
    return value
  }

  static func float(_ name: String, _ shape: [Int]? = nil) -> Value {
    typed(name, .float32, shape)
  }

  static func constant(_ name: String, _ data: TensorData) -> Value {
    let value = Value(name: name)
    value.initializer = data
    return value
  }
}

@Suite struct OpsetInputRewriteTests {
  @Test func sliceTakesItsRangesAsInputs() throws {
    let raised = try RaisedNode(
      "Slice", from: 9, to: 13,
      [("starts", .ints([1, 0])), ("ends", .ints([2, 3])), ("axes", .ints([0, 2]))])
    #expect(raised.attributes.isEmpty)
    #expect(raised.integers(1) == [1, 0])
    #expect(raised.integers(2) == [2, 3])
    #expect(raised.integers(3) == [0, 2])
    #expect(raised.model.graph.nodes.last === raised.node)
  }

  @Test func sliceWithoutEndsIsRefused() {
    #expect(throws: Failure.self) {
      try RaisedNode("Slice", from: 9, to: 13, [("starts", .ints([1]))])
    }
  }

  @Test func topKTakesItsCountAsInput() throws {
    let raised = try RaisedNode(
      "TopK", from: 9, to: 21, outputs: ["v", "i"], readOutputs: 2,
      [("k", .int(2)), ("axis", .int(1))])
    #expect(raised.attributes == ["axis"])
    #expect(raised.integers(1) == [2])
  }

  @Test(arguments: ["Squeeze", "Unsqueeze", "ReduceSum"])
  func axesAreAnInputSince13(type: String) throws {
    let raised = try RaisedNode(type, from: 11, to: 13, [("axes", .ints([1]))])
    #expect(raised.attributes.isEmpty)
    #expect(raised.integers(1) == [1])
  }

  @Test(arguments: [
    "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean",
    "ReduceMin", "ReduceProd", "ReduceSumSquare",
  ])
  func axesOfOtherReductionsAreAnInputSince18(type: String) throws {
    let attributes: [(String, Attribute.Value)] = [("axes", .ints([1, 2])), ("keepdims", .int(0))]
    let middle = try RaisedNode(type, from: 11, to: 17, attributes)
    #expect(middle.attributes == ["axes", "keepdims"])
    let raised = try RaisedNode(type, from: 11, to: 18, attributes)
    #expect(raised.attributes == ["keepdims"])
    #expect(raised.integers(1) == [1, 2])
  }

  @Test func noAxesStayNoAxes() throws {
    let none = try RaisedNode("ReduceSum", from: 11, to: 13)
    #expect(none.node.inputs.count == 1)
    let empty = try RaisedNode("ReduceSum", from: 11, to: 13, [("axes", .ints([]))])
    #expect(empty.node.inputs.count == 1 && empty.attributes.isEmpty)
  }

  @Test func splitTakesItsLengthsAsInput() throws {
    let raised = try RaisedNode(
      "Split", from: 11, to: 21, outputs: ["a", "b"], readOutputs: 2,
      [("axis", .int(1)), ("split", .ints([1, 2]))])
    #expect(raised.attributes == ["axis"])
    #expect(raised.integers(1) == [1, 2])
  }

  @Test func splitIntoEqualPartsSaysHowMany() throws {
    let raised = try RaisedNode("Split", from: 7, to: 18, outputs: ["a", "b"], readOutputs: 2)
    #expect(raised.node.int("num_outputs") == 2)
    #expect(raised.node.inputs.count == 1)
  }

  @Test func clipTakesItsBoundsAsInputs() throws {
    let raised = try RaisedNode(
      "Clip", from: 9, to: 13, [("min", .float(-0.5)), ("max", .float(6))])
    #expect(raised.attributes.isEmpty)
    #expect(raised.node.floats(1) == [-0.5])
    #expect(raised.node.floats(2) == [6])
    #expect(raised.input(1)?.constant?.dimensions == [])
  }

  @Test func absentClipBoundsStayAbsent() throws {
    let raised = try RaisedNode("Clip", from: 9, to: 13, [("max", .float(6))])
    #expect(raised.node.inputs.count == 3)
    #expect(raised.input(1) == nil)
    #expect(try RaisedNode("Clip", from: 9, to: 13).node.inputs.count == 1)
  }

  @Test(arguments: [ElementType.float16, .float64])
  func clipBoundsHaveTheDataType(type: ElementType) throws {
    let raised = try RaisedNode(
      "Clip", from: 9, to: 13, inputs: [.typed("x", type, nil)], [("min", .float(0.5))])
    #expect(raised.input(1)?.constant?.elementType == type)
    let bytes: [UInt8] = type == .float16 ? [0, 0x38] : [0, 0, 0, 0, 0, 0, 0xe0, 0x3f]
    #expect(raised.input(1)?.constant?.packed?.load(UInt8.self) == bytes)
  }

  @Test func clipBoundsOfUnknownTypeAreCast() throws {
    let raised = try RaisedNode(
      "Clip", from: 9, to: 15, inputs: [Value(name: "x")], [("min", .float(0))])
    #expect(raised.operators == ["CastLike", "Clip"])
    #expect(throws: Failure.self) {
      try RaisedNode("Clip", from: 9, to: 13, inputs: [Value(name: "x")], [("min", .float(0))])
    }
  }

  @Test func padTakesItsSettingsAsInputs() throws {
    let raised = try RaisedNode(
      "Pad", from: 10, to: 21,
      [("mode", .string(text: "constant")), ("pads", .ints([0, 1])), ("value", .float(2))])
    #expect(raised.attributes == ["mode"])
    #expect(raised.integers(1) == [0, 1])
    #expect(raised.node.floats(2) == [2])
    let zero = try RaisedNode(
      "Pad", from: 10, to: 21, [("pads", .ints([0, 1])), ("value", .float(0))])
    #expect(zero.node.inputs.count == 2)
  }

  @Test func dftKeepsItsDefaultAxis() throws {
    let raised = try RaisedNode("DFT", from: 17, to: 20)
    #expect(raised.node.inputs.count == 3)
    #expect(raised.input(1) == nil)
    #expect(raised.integers(2) == [1])
    #expect(raised.input(2)?.constant?.dimensions == [])
  }

  @Test func attributeSetByCallersOfAFunctionIsRefused() {
    #expect(throws: Failure.self) {
      try RaisedNode("Squeeze", from: 11, to: 13, [("axes", .opaque)])
    }
  }

  @Test func newConstantsHaveNewNames() throws {
    let raised = try RaisedNode(
      "Squeeze", from: 11, to: 13, inputs: [.float("n_axes", [1, 2])], [("axes", .ints([0]))])
    #expect(raised.input(1)?.name == "n_axes_2")
  }
}
