import ModelGraph
import Support
import Testing

@testable import ModelFormats

@Suite struct DynamicQuantizeInsertionTests {
  private func constant(_ name: String, _ dimensions: [Int]) -> Value {
    let source = TensorData(
      float32: [Float](repeating: 1, count: dimensions.reduce(1, *)), dimensions: dimensions)
    let value = Value(name: name)
    value.initializer = source
    value.quantized = QuantizedConstant(
      number: 0, source: source,
      storage: QuantizedStorage(bits: 8, elementType: .int8, axis: 1), channelCount: 2,
      slabCount: 1, slabByteCount: 16,
      encode: { _, _ in
        EncodedSlab(
          byteOffset: 0, integers: [1, 2, 3, 4],
          parameters: EncodedParameters(firstChannel: 0, scales: [1, 1], zeroPoints: [0, 0]))
      })
    return value
  }

  /// Two products of one activation, the second with turned weights that a Gather reads too.
  private func model(version: Int = 17) -> (Model, [DynamicQuantizeInsertion.Product]) {
    let graph = Graph(name: "g")
    let (x, ids) = (Value(name: "x"), Value(name: "ids"))
    let weights = ["a", "table"].map { constant($0, [2, 2]) }
    let bias = Value(name: "bias")
    bias.initializer = TensorData(float32: [1, 2])
    let turned = Value(name: "turned")
    let outputs = ["y", "z", "rows"].map { Value(name: $0) }
    let first = Node(
      name: "first", operatorType: "Gemm", inputs: [x, weights[0], bias], outputs: [outputs[0]])
    let second = Node(
      name: "second", operatorType: "MatMul", inputs: [x, turned], outputs: [outputs[1]])
    graph.inputs = [x, ids]
    graph.outputs = outputs
    graph.initializers = weights + [bias]
    graph.nodes = [
      Node(operatorType: "Transpose", inputs: [weights[1]], outputs: [turned]), first, second,
      Node(operatorType: "Gather", inputs: [weights[1], ids], outputs: [outputs[2]]),
    ]
    let model = Model(
      graph: graph, operatorSets: [OperatorSet(domain: "", version: version)], formatVersion: 8)
    return (
      model,
      [
        .init(node: first, weights: weights[0], isTransposed: false),
        .init(node: second, weights: weights[1], isTransposed: true),
      ]
    )
  }

  @Test func anActivationIsQuantizedOnceForAllItsReaders() {
    let (model, products) = model()
    DynamicQuantizeInsertion.apply(.init(products: products), .tensor, to: model)
    #expect(
      model.graph.nodes.map(\.operatorType) == [
        "DynamicQuantizeLinear", "MatMulInteger", "Cast", "Mul", "Mul", "Add", "Transpose",
        "MatMulInteger", "Cast", "Mul", "Mul", "Gather",
      ])
    let made = model.graph.nodes.filter { $0.operatorType == "MatMulInteger" }
    #expect(made[0].inputs[0] === made[1].inputs[0])
    #expect(model.graph.outputs.map { $0.producer?.operatorType } == ["Add", "Mul", "Gather"])
  }

  @Test func weightsAreWrittenWithoutFloatsUnlessSomethingReadsThem() throws {
    let (model, products) = model()
    DynamicQuantizeInsertion.apply(.init(products: products), .tensor, to: model)
    #expect(products.map { $0.weights.integerParts?.keepsFloats } == [false, true])
    var builder = ONNXMessageBuilder(model)
    let graph = try builder.message().graph
    #expect(graph.node.filter { $0.opType == "DequantizeLinear" }.map(\.output) == [["table"]])
    #expect(
      graph.initializer.map(\.name) == [
        "a_quantized", "a_scale", "table_quantized", "table_scale", "table_zero_point", "bias",
      ])
  }

  @Test(arguments: [(17, 1), (18, 2)])
  func rowsAreReducedAsTheOperatorSetAsks(version: Int, inputCount: Int) throws {
    let (model, products) = model(version: version)
    DynamicQuantizeInsertion.apply(.init(products: products), .row, to: model)
    let types = model.graph.nodes.map(\.operatorType)
    #expect(types.prefix(8) == ["Abs", "ReduceMax", "Mul", "Max", "Div", "Round", "Add", "Cast"])
    #expect(types.count { $0 == "ReduceMax" } == 1)
    let node = try #require(model.graph.nodes.first { $0.operatorType == "ReduceMax" })
    #expect(node.inputs.count == inputCount)
    #expect(node.ints("axes") == (inputCount == 1 ? [-1] : nil))
  }

  /// Scales of a convolution over time have an axis behind, those of an LSTM one in front.
  @Test func scalesAreShapedForTheirOperator() throws {
    let values = ["x", "between", "y"].map { Value(name: $0) }
    let (kernel, weights, recurrence) = (
      constant("kernel", [2, 1, 2]), constant("weights", [1, 4, 2]),
      constant("recurrence", [1, 4, 1])
    )
    let graph = Graph(name: "speech")
    graph.inputs = [values[0]]
    graph.outputs = [values[2]]
    graph.initializers = [kernel, weights, recurrence]
    graph.nodes = [
      Node(
        name: "filter", operatorType: "Conv", inputs: [values[0], kernel], outputs: [values[1]]),
      Node(
        name: "cell", operatorType: "LSTM", inputs: [values[1], weights, recurrence],
        outputs: [values[2]]),
    ]
    let model = Model(
      graph: graph, operatorSets: [OperatorSet(domain: "", version: 17)], formatVersion: 8)
    DynamicQuantizeInsertion.apply(
      .init(convolutions: [graph.nodes[0]], recurrences: [graph.nodes[1]]), .tensor, to: model)
    func axes(_ value: Value?) -> [Int64]? { value?.producer?.inputs[1]?.constant?.integers }
    let product = try #require(model.graph.nodes.last { $0.operatorType == "Mul" })
    #expect(axes(product.inputs[1]) == [1])
    let cell = try #require(model.graph.nodes.last)
    #expect(cell.operatorType == "DynamicQuantizeLSTM" && cell.domain == "com.microsoft")
    #expect(axes(cell.inputs[8]) == [0])
    #expect(axes(cell.inputs[10]) == [0])
    #expect(model.operatorSets.contains { $0.domain == "com.microsoft" })
  }
}
