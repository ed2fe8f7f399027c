import ModelGraph
import Support
import Testing

@testable import Quantization

/// What samples showed of activations becomes factors of weights.
@Suite struct SampledSmoothingTests {
  private func facts(_ sizes: [Float]) -> ActivationFacts {
    ActivationFacts(
      lower: -(sizes.max() ?? 0), upper: sizes.max() ?? 0,
      channelMeans: sizes.map { _ in 0 }, channelVariances: sizes.map { Double($0 * $0) },
      channelMinima: sizes.map { -$0 }, channelMaxima: sizes, channelReaches: sizes,
      elementsPerChannel: 1000)
  }

  /// `x` goes through a Relu to two products, one by MatMul and one by Gemm with turned weights; two
  /// more share their weights.
  private func model() -> Model {
    let graph = Graph()
    func matrix(_ name: String, _ dimensions: [Int]) -> Value {
      let value = Value(name: name)
      value.initializer = TensorData(
        float32: (0..<dimensions[0] * dimensions[1]).map { Float(($0 * 37 + 11) % 101 - 50) / 50 },
        dimensions: dimensions)
      graph.initializers.append(value)
      return value
    }
    let (x, y) = (Value(name: "x"), Value(name: "y"))
    let shared = matrix("shared", [4, 64])
    graph.inputs = [x]
    graph.nodes = [
      Node(name: "relu", operatorType: "Relu", inputs: [x], outputs: [y]),
      Node(
        name: "straight", operatorType: "MatMul", inputs: [y, matrix("v", [4, 64])],
        outputs: [Value(name: "a")]),
      Node(
        name: "turned", operatorType: "Gemm", inputs: [y, matrix("w", [64, 4])],
        outputs: [Value(name: "b")], attributes: [Attribute("transB", .int(1))]),
      Node(name: "one", operatorType: "MatMul", inputs: [y, shared], outputs: [Value(name: "c")]),
      Node(name: "two", operatorType: "MatMul", inputs: [y, shared], outputs: [Value(name: "d")]),
    ]
    return Model(
      graph: graph, operatorSets: [OperatorSet(domain: "", version: 17)], formatVersion: 8)
  }

  private func plan(_ strategy: DynamicStrategy, _ sizes: [Float]?) -> DynamicPlan {
    DynamicPlanner(
      WeightQuantizationSettings(bits: 8, minWeightChannel: 0), strategy,
      pool: WorkerPool(threads: 1)
    ).plan(model(), activations: sizes.map { ["y": facts($0)] } ?? [:])
  }

  @Test(arguments: [
    DynamicStrategy.activationLayerWeightChannel, .activationChannelWeightLayer,
    .activationChannelWeightChannel,
  ])
  func channelsOfUnevenSizeAreDividedOnceForAllReaders(_ strategy: DynamicStrategy) throws {
    let plan = plan(strategy, [100, 1, 1, 1])
    let divisions = plan.divisions
    try #require(divisions.count == 1)
    #expect(divisions[0].value.name == "y")
    #expect(divisions[0].readers.map(\.name) == ["straight", "turned"])
    let divisors = divisions[0].divisors
    #expect(divisors[0] > 4 * divisors[1] && divisors[1] == divisors[3])
    let sources = Dictionary(
      plan.weights.constants.map { ($0.value.name, $0) }
    ) { first, _ in first }
    for name in ["v", "w"] {
      let constant = try #require(sources[name])
      let plain = try #require(constant.value.constant?.float32Values)
      let multiplied = try #require(constant.source.float32Values)
      for index in plain.indices {
        let input = name == "v" ? index / 64 : index % 4
        #expect(multiplied[index] == plain[index] * divisors[input])
      }
    }
    #expect(
      sources["shared"]?.source.float32Values == sources["shared"]?.value.constant?.float32Values)
  }

  @Test(
    arguments: [[1, 1, 1, 1], [1, 0.9, 1, 1], [0, 0, 0, 0], [.infinity, 1, 1, 1], nil] as [[Float]?]
  )
  func evenOrUnknownChannelsStay(_ sizes: [Float]?) {
    #expect(plan(.activationChannelWeightChannel, sizes).divisions.isEmpty)
  }

  /// Without samples a normalization's gains and offsets say how far channels reach.
  @Test func aNormalizationTellsWhatItsChannelsReach() throws {
    let model = model()
    func constant(_ name: String, _ elements: [Float]) -> Value {
      let value = Value(name: name)
      value.initializer = TensorData(float32: elements)
      return value
    }
    let y = try #require(model.graph.nodes[0].outputs[0])
    model.graph.nodes[0] = Node(
      name: "norm", operatorType: "LayerNormalization",
      inputs: [
        model.graph.inputs[0], constant("g", [1, 10, 1, 0.5]), constant("o", [0, 8, -4, 0]),
      ],
      outputs: [y])
    let plan = DynamicPlanner(
      WeightQuantizationSettings(bits: 8, minWeightChannel: 0), .activationLayerWeightChannel,
      pool: WorkerPool(threads: 1)
    ).plan(model)
    #expect(plan.divisions.map(\.divisors) == [[1, 6, 1, 1]])
    #expect(plan.divisions.map { $0.readers.count } == [2])
  }
}
