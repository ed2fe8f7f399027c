import GraphPasses
import ModelGraph
import Testing

@Suite struct ActivationDivisionTests {
  private static let divisors: [Float] = [2, 4]

  private func constant(_ name: String, _ elements: [Float]) -> Value {
    let value = Value(name: name)
    value.initializer = TensorData(float32: elements)
    return value
  }

  /// An activation made by `maker`, which two products read.
  private func model(_ maker: Node, constants: [Value]) -> Model {
    let graph = Graph()
    let made = maker.outputs[0]
    graph.inputs = [Value(name: "x")]
    graph.initializers = constants
    graph.nodes = [
      maker,
      Node(operatorType: "MatMul", inputs: [made, Value(name: "v")], outputs: [Value(name: "a")]),
      Node(operatorType: "MatMul", inputs: [made, Value(name: "w")], outputs: [Value(name: "b")]),
    ]
    return Model(
      graph: graph, operatorSets: [OperatorSet(domain: "", version: 17)], formatVersion: 8)
  }

  private func divide(_ model: Model, readers: ClosedRange<Int> = 1...2) throws {
    let value = try #require(model.graph.nodes[0].outputs[0])
    ActivationDivision.apply(
      [.init(value: value, divisors: Self.divisors, readers: Array(model.graph.nodes[readers]))],
      to: model)
  }

  @Test func aGainTakesTheDivisorsUp() throws {
    let gain = constant("gain", [3, 8])
    let maker = Node(
      operatorType: "Mul", inputs: [Value(name: "x"), gain], outputs: [Value(name: "y")])
    let model = model(maker, constants: [gain])
    try divide(model)
    #expect(model.graph.nodes.map(\.operatorType) == ["Mul", "MatMul", "MatMul"])
    #expect(maker.inputs[1]?.constant?.float32Values == [1.5, 2])
    #expect(model.graph.initializers.map(\.name) == ["gain_divided"])
    #expect(model.graph.nodes.map { $0.inputs[0]?.name } == ["x", "y_divided", "y_divided"])
    #expect(maker.outputs[0]?.name == "y_divided")
  }

  @Test func aNormalizationDividesItsOffsetToo() throws {
    let constants = [constant("gain", [3, 8]), constant("offset", [1, 1])]
    let maker = Node(
      operatorType: "LayerNormalization", inputs: [Value(name: "x")] + constants,
      outputs: [Value(name: "y")])
    let model = model(maker, constants: constants)
    try divide(model)
    #expect(maker.inputs[1]?.constant?.float32Values == [1.5, 2])
    #expect(maker.inputs[2]?.constant?.float32Values == [0.5, 0.25])
    #expect(model.graph.nodes.count == 3)
  }

  @Test func aGainThatOthersReadStaysAsItIs() throws {
    let gain = constant("gain", [3, 8])
    let maker = Node(
      operatorType: "Mul", inputs: [Value(name: "x"), gain], outputs: [Value(name: "y")])
    let model = model(maker, constants: [gain])
    model.graph.nodes.append(
      Node(operatorType: "Relu", inputs: [gain], outputs: [Value(name: "c")]))
    try divide(model)
    #expect(model.graph.initializers.map(\.name) == ["gain", "gain_divided"])
    #expect(model.graph.nodes.last?.inputs[0]?.constant?.float32Values == [3, 8])
  }

  @Test(arguments: ["other reader", "result", "scalar", "other operator", "other domain"])
  func elsewhereOneProductStandsBeforeAllReaders(obstacle: String) throws {
    let gain = constant("gain", obstacle == "scalar" ? [3] : [3, 8])
    let maker = Node(
      operatorType: obstacle == "other operator" ? "Add" : "Mul",
      domain: obstacle == "other domain" ? "example" : "",
      inputs: [Value(name: "x"), gain], outputs: [Value(name: "y")])
    let model = model(maker, constants: [gain])
    let made = try #require(maker.outputs[0])
    if obstacle == "result" { model.graph.outputs = [made] }
    if obstacle == "other reader" {
      model.graph.nodes.append(
        Node(operatorType: "Relu", inputs: [made], outputs: [Value(name: "c")]))
    }
    try divide(model)
    let types = model.graph.nodes.map(\.operatorType)
    #expect(types.prefix(4) == [maker.operatorType, "Mul", "MatMul", "MatMul"])
    #expect(model.graph.nodes[1].inputs[1]?.constant?.float32Values == [0.5, 0.25])
    #expect(model.graph.nodes[1].inputs[0] === made)
    #expect(model.graph.nodes[2].inputs[0] === model.graph.nodes[3].inputs[0])
    #expect(gain.constant?.float32Values?[0] == 3)
  }
}
