import GraphPasses
import ModelGraph
import Support
import Testing

@testable import Quantization

/// The placement rules of TensorRT's developer guide for explicit quantization, one test each.
@Suite struct TensorRTProfileTests {
  /// A graph under construction, convolutions of four channels.
  private struct Network {
    let graph = Graph(name: "network")
    let input = Value(name: "x")

    init() { graph.inputs = [input] }

    func apply(_ operatorType: String, _ inputs: [Value?], _ name: String) -> Value {
      let result = Value(name: name)
      graph.nodes.append(
        Node(name: name, operatorType: operatorType, inputs: inputs, outputs: [result]))
      return result
    }

    func convolution(_ input: Value, _ name: String) -> Value {
      let weights = Value(name: name + ".weight")
      weights.initializer = TensorData(
        float32: (0..<36 * 4).map { Float($0 % 7) - 3 }, dimensions: [4, 4, 3, 3])
      return apply("Conv", [input, weights], name)
    }

    func plan(_ outputs: Value...) -> FullPlan {
      graph.outputs = outputs
      return FullPlanner(FullQuantizationSettings(profile: .tensorRT)).plan(graph)
    }
  }

  private func quantized(_ plan: FullPlan) -> [[String]] {
    plan.groups.map { $0.values.map(\.name) }
  }

  private func reads(_ node: String, _ value: Value, _ plan: FullPlan) -> Bool {
    guard case .nodes(let readers) = plan.readers[ObjectIdentifier(value)] else { return false }
    let nodes = plan.operations.map(\.node) + plan.functions.map(\.node)
    return nodes.contains { $0.name == node && readers.contains(ObjectIdentifier($0)) }
  }

  @Test func inputsOfWeightedOperatorsAreQuantizedAndResultsAreNot() {
    let network = Network()
    let first = network.convolution(network.input, "first")
    let active = network.apply("Relu", [first], "active")
    let second = network.convolution(active, "second")
    #expect(quantized(network.plan(second)) == [["x"], ["active"]])
  }

  @Test func theResidualTermOfASumIsQuantizedAndTheConvolutionsResultIsNot() {
    let network = Network()
    let block = network.apply("Relu", [network.convolution(network.input, "first")], "block")
    let branch = network.convolution(block, "branch")
    let sum = network.apply("Add", [branch, block], "sum")
    let plan = network.plan(network.convolution(sum, "last"))
    #expect(quantized(plan) == [["x"], ["block"], ["sum"]])
    #expect(reads("sum", block, plan) && reads("branch", block, plan))
  }

  @Test func ofTwoConvolutionsTheShallowShortCutIsQuantized() {
    for shortCutComesFirst in [true, false] {
      let network = Network()
      let inner = network.apply("Relu", [network.convolution(network.input, "inner")], "active")
      let main = network.convolution(inner, "main")
      let short = network.convolution(network.input, "short")
      let sum = network.apply("Add", shortCutComesFirst ? [short, main] : [main, short], "sum")
      let plan = network.plan(sum)
      #expect(quantized(plan) == [["x"], ["active"], ["short"]])
      #expect(reads("sum", short, plan))
    }
  }

  @Test func aConvolutionReadTwiceTakesNoSumIn() {
    let network = Network()
    let branch = network.convolution(network.input, "branch")
    let sum = network.apply("Add", [branch, network.input], "sum")
    let plan = network.plan(sum, branch)
    #expect(plan.functions.isEmpty)
  }

  @Test func averagePoolingReadsIntegersAndMaximumPoolingIsPassedThrough() {
    let network = Network()
    let first = network.convolution(network.input, "first")
    let largest = network.apply("MaxPool", [first], "largest")
    let second = network.convolution(largest, "second")
    let mean = network.apply("GlobalAveragePool", [second], "mean")
    let plan = network.plan(mean)
    #expect(quantized(plan) == [["x"], ["largest"], ["second"]])
    #expect(reads("mean", second, plan))
  }

  @Test func concatenatedActivationsShareParameters() {
    let network = Network()
    let a = network.apply("Relu", [network.convolution(network.input, "a")], "active")
    let b = network.convolution(a, "b")
    let both = network.apply("Concat", [a, b], "both")
    let plan = network.plan(network.convolution(both, "last"))
    #expect(quantized(plan) == [["x"], ["active", "both"]])
  }

  @Test func skippedNodesReadFloats() {
    let network = Network()
    let branch = network.convolution(network.input, "branch")
    network.graph.outputs = [network.apply("Add", [branch, network.input], "sum")]
    let settings = FullQuantizationSettings(skipped: [NodePattern("sum")], profile: .tensorRT)
    #expect(FullPlanner(settings).plan(network.graph).functions.isEmpty)
  }

  @Test func integersLieEvenlyAroundZeroAndBiasesStayFloat() throws {
    let network = Network()
    let result = network.convolution(network.input, "first")
    let bias = Value(name: "bias")
    bias.initializer = TensorData(float32: [1, 2, 3, 4])
    network.graph.nodes[0].inputs.append(bias)
    let plan = network.plan(result)
    let facts = ActivationFacts(lower: -1, upper: 254)
    let settings = FullQuantizationSettings(biasCorrection: true, profile: .tensorRT)
    let operations = FullQuantizer(
      plan, settings, facts: ["x": facts], pool: WorkerPool(threads: 1)
    )
    .apply(to: network.graph)
    let activation = try #require(network.input.activation)
    #expect(activation.elementType == .int8 && activation.zeroPoint == 0)
    #expect(activation.scale == 2)
    #expect(operations.first?.bias == nil && network.graph.nodes[0].inputs[2] === bias)
    #expect(operations.first?.weights.scales.count == 4)
    #expect(operations.first?.weights.zeroPoints.allSatisfy { $0 == 0 } == true)
  }
}
