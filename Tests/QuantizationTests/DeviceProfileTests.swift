import GraphPasses
import ModelGraph
import Support
import Testing

@testable import Quantization

/// What the processors that compute whole networks in integers get.
@Suite struct DeviceProfileTests {
  private let graph = Graph(name: "network")
  private let input = Value(name: "x")

  private func apply(_ operatorType: String, _ inputs: [Value?], _ name: String) -> Value {
    let result = Value(name: name)
    graph.nodes.append(
      Node(name: name, operatorType: operatorType, inputs: inputs, outputs: [result]))
    return result
  }

  private func constant(_ name: String, _ values: [Float], _ dimensions: [Int]? = nil) -> Value {
    let value = Value(name: name)
    value.initializer =
      dimensions.map { TensorData(float32: values, dimensions: $0) }
      ?? TensorData(float32: values, isScalar: true)
    return value
  }

  private func convolution(_ input: Value, _ name: String) -> Value {
    let weights = constant(
      name + ".weight", (0..<64).map { Float($0 % 7) - 3 }, [4, 4, 2, 2])
    return apply("Conv", [input, weights], name)
  }

  private func plan(
    _ profile: TargetProfile, _ output: Value,
    unusable: [ObjectIdentifier: FloatOperatorReason] = [:]
  ) -> FullPlan {
    graph.inputs = [input]
    graph.outputs = [output]
    return FullPlanner(FullQuantizationSettings(profile: profile)).plan(graph, unusable: unusable)
  }

  private func reason(_ node: String, _ plan: FullPlan) -> FloatOperatorReason? {
    plan.floats.first { $0.node.name == node }?.reason
  }

  /// A waveform's quiet bands would drown in 8 bits, whether one filter reads it or a bank.
  @Test(arguments: [1, 36])
  func longFiltersOverAWaveformStayFloat(filters: Int) throws {
    let weights = constant(
      "w", (0..<256 * filters).map { Float($0 % 11) - 5 }, [filters, 1, 1, 256])
    let plan = plan(.onnxRuntime, apply("Conv", [input, weights], "conv"))
    #expect(plan.operations.isEmpty)
    guard case .filterBank = try #require(plan.floats.first).reason else {
      Issue.record("\(plan.floats)")
      return
    }
  }

  @Test func aSignalProcessorAddsPoolsAndMovesInIntegers() {
    let first = convolution(input, "first")
    let sum = apply("Add", [first, convolution(input, "second")], "sum")
    let pooled = apply("GlobalAveragePool", [sum], "pooled")
    let flat = apply("Flatten", [pooled], "flat")
    let plan = plan(.digitalSignalProcessor, flat)
    #expect(plan.functions.map(\.node.name) == ["sum", "pooled", "flat"])
    #expect(
      plan.groups.map { $0.values.map(\.name) }
        == [["x"], ["first"], ["second"], ["sum"], ["pooled", "flat"]])
    #expect(plan.floats.isEmpty)
  }

  @Test func shapesAndIndicesStayWhatTheyAre() {
    let first = convolution(input, "first")
    let shape = apply("Shape", [first], "shape")
    let part = apply("Slice", [shape, shape, shape], "part")
    let doubled = apply("Mul", [part, part], "doubled")
    let plan = plan(.digitalSignalProcessor, apply("Reshape", [first, doubled], "result"))
    #expect(plan.functions.map(\.node.name) == ["result"])
  }

  /// The table of devices: convolutions of enough channels, and products with weights of their own,
  /// as they stand; a scale for each channel, or for all; integers around zero.
  @Test func ascendTakesConvolutionsAndProductsWithOwnWeights() {
    let small = convolution(input, "small")
    let wide = apply(
      "Conv",
      [
        small, constant("wide.weight", (0..<512).map { Float($0 % 7) - 3 }, [32, 4, 2, 2]),
      ], "wide")
    let back = apply(
      "ConvTranspose",
      [wide, constant("back.weight", (0..<512).map { Float($0 % 5) }, [32, 4, 2, 2])], "back")
    let flat = apply("Flatten", [back], "flat")
    func weights(_ name: String) -> Value {
      constant(name, (0..<64).map { Float($0 % 9) - 4 }, [8, 8])
    }
    let shared = weights("shared")
    let first = apply("MatMul", [apply("MatMul", [flat, shared], "one"), shared], "other")
    let own = apply("MatMul", [apply("Relu", [first], "relu"), weights("own.weight")], "own")
    let dense = apply("Gemm", [own, weights("dense.weight")], "dense")
    let turned = apply("Gemm", [dense, weights("turned.weight")], "turned")
    turned.producer?.attributes = [Attribute("transB", .int(1))]
    let square = apply("MatMul", [turned, turned], "square")
    graph.inputs = [input]
    graph.outputs = [square]
    var settings = FullQuantizationSettings(profile: .ascend)
    settings.minWeightChannel = 16
    let plan = FullPlanner(settings).plan(graph)
    #expect(plan.operations.map(\.node.name) == ["wide", "own", "dense"])
    #expect(plan.functions.isEmpty)
    let reasons = Dictionary(plan.floats.map { ($0.node.name, $0.reason) }) { first, _ in first }
    #expect(
      reasons == [
        "small": .tooFewChannels(channels: 4, limit: 16), "back": .noIntegerKernel,
        "one": .sharedWeights, "other": .sharedWeights, "turned": .turnedWeights,
        "square": .noConstantWeights,
      ])
    let profile = TargetProfile.ascend
    #expect(profile.activationIntegers == -128...127 && profile.activationType == .int8)
    #expect(!profile.hasSymmetricActivations && profile.movers.isEmpty)
    #expect(plan.operations.allSatisfy { profile.takesChannelScales($0.node, rank: 2) })
    settings.minWeightChannel = 4
    #expect(FullPlanner(settings).plan(graph).operations.first?.node.name == "small")
  }

  /// max|x| of 16 and 1, max|w| of 4 and 0.5: channels are divided by 2 and the root of 2.
  @Test(arguments: [Float(0.5), 0, 1])
  func ascendMovesOutliersOfProductsIntoWeights(alpha: Float) throws {
    let result = apply("MatMul", [input, constant("w", [1, -4, 0.5, 0.25], [2, 2])], "product")
    graph.inputs = [input]
    graph.outputs = [result]
    var settings = FullQuantizationSettings(biasCorrection: false, profile: .ascend)
    settings.smoothAlpha = alpha
    var facts = ActivationFacts(lower: -8, upper: 16)
    (facts.channelMinima, facts.channelMaxima) = ([-8, -1], [16, 1])
    (facts.channelMeans, facts.channelVariances) = ([0, 0], [1, 1])
    let plan = FullPlanner(settings).plan(graph)
    let operations = FullQuantizer(
      plan, settings, facts: ["x": facts, "product": ActivationFacts(lower: -9, upper: 9)],
      pool: WorkerPool(threads: 1)
    ).apply(to: graph)
    let activation = try #require(input.activation)
    let weights = operations[0].weights.scales
    guard alpha == 0.5 else {
      #expect(activation.factors == nil && abs(activation.scale - 24 / 255) < 1e-6)
      return
    }
    let factors = try #require(activation.factors?.values)
    #expect(factors[0] == 0.5 && abs(factors[1] - Float(0.5).squareRoot()) < 1e-6)
    #expect(abs(activation.scale - 12 / 255) < 1e-6)
    #expect(weights.count == 2)
    #expect(abs(weights[0] - 2 / 127) < 1e-6 && abs(weights[1] - 8 / 127) < 1e-6)
  }

  /// x * sigmoid(1.702 x), and hard-swish written out.
  @Test func noRoundingStandsInsideAWrittenOutFunction() {
    let first = convolution(input, "first")
    let scaled = apply("Mul", [first, constant("factor", [1.702])], "scaled")
    let gate = apply("Sigmoid", [scaled], "gate")
    let gelu = apply("Mul", [first, gate], "gelu")
    let second = convolution(gelu, "second")
    let shifted = apply("Add", [second, constant("three", [3])], "shifted")
    let clipped = apply(
      "Clip", [shifted, constant("zero", [0]), constant("six", [6])], "clipped")
    let swish = apply("Mul", [second, clipped], "swish")
    let plan = plan(.digitalSignalProcessor, convolution(swish, "third"))
    for name in ["scaled", "gate", "gelu", "shifted", "clipped", "swish"] {
      #expect(reason(name, plan) == .insideFunction, "\(name)")
    }
    #expect(
      plan.groups.flatMap(\.values).map(\.name)
        == ["x", "first", "gelu", "second", "swish", "third"])
  }

  @Test func aGateOfAnotherBranchIsAnOperatorOfItsOwn() {
    let first = convolution(input, "first")
    let gate = apply("Sigmoid", [convolution(first, "second")], "gate")
    let plan = plan(.digitalSignalProcessor, apply("Mul", [first, gate], "gated"))
    #expect(plan.functions.map(\.node.name) == ["gate", "gated"])
  }

  @Test func normalizationsAndTheirScaleStayFloat() {
    let first = convolution(input, "first")
    let mean = apply("ReduceMean", [first], "mean")
    let centered = apply("Sub", [first, mean], "centered")
    let square = apply("Pow", [centered, constant("two", [2])], "square")
    let variance = apply("ReduceMean", [square], "variance")
    let safe = apply("Add", [variance, constant("epsilon", [1e-5])], "safe")
    let deviation = apply("Sqrt", [safe], "deviation")
    let normal = apply("Div", [centered, deviation], "normal")
    let scaled = apply("Mul", [normal, constant("gamma", [1, 2, 3, 4], [4, 1, 1])], "scaled")
    let shifted = apply("Add", [scaled, constant("beta", [1, 2, 3, 4], [4, 1, 1])], "shifted")
    let plan = plan(.digitalSignalProcessor, convolution(shifted, "last"))
    for name in ["centered", "safe", "scaled", "shifted"] {
      #expect(reason(name, plan) == .normalization, "\(name)")
    }
    #expect(plan.functions.isEmpty)
  }

  @Test func masksStayFloatWhetherConstantOrComputed() {
    let first = convolution(input, "first")
    let mask = apply("Mul", [input, constant("huge", [-1e9])], "mask")
    let masked = apply("Add", [first, mask], "masked")
    let plan = plan(
      .digitalSignalProcessor, apply("Softmax", [masked], "result"),
      unusable: [ObjectIdentifier(mask): .hugeRange, ObjectIdentifier(masked): .hugeRange])
    for name in ["mask", "masked", "result"] {
      #expect(reason(name, plan) == .hugeRange, "\(name)")
    }
    #expect(ActivationFacts(lower: -1e9, upper: 0).isHuge)
    #expect(!ActivationFacts(lower: -90, upper: 0).isHuge)
  }

  @Test func constantsOfFunctionsBecomeIntegersOnce() throws {
    let first = convolution(input, "first")
    let factor = constant("factor", [-1, 2, 3, 0.5], [4, 1, 1])
    let one = apply("Mul", [first, factor], "one")
    let two = apply("Mul", [convolution(one, "second"), factor], "two")
    let plan = plan(.digitalSignalProcessor, two)
    let facts = Dictionary(
      uniqueKeysWithValues: plan.observedNames.map { ($0, ActivationFacts(lower: -1, upper: 1)) })
    _ = FullQuantizer(
      plan, FullQuantizationSettings(profile: .digitalSignalProcessor), facts: facts,
      pool: WorkerPool(threads: 1)
    ).apply(to: graph)
    let places = graph.nodes.filter { $0.operatorType == "Mul" }.compactMap { $0.inputs[1] }
    #expect(places.count == 2 && places[0] === places[1])
    let slab = try #require(places.first?.quantized?.encode(0))
    let scale = try #require(slab.parameters.scales.first)
    let zero = try #require(slab.parameters.zeroPoints.first)
    #expect(slab.parameters.scales.count == 1)
    for (integer, float) in zip(slab.integers, [-1, 2, 3, 0.5] as [Float]) {
      let restored = Float(Int32(Int8(bitPattern: integer)) - zero) * scale
      #expect(abs(restored - float) <= scale * 0.51)
    }
  }

  @Test func scalesForEachChannelAreForConvolutionsOnly() {
    let flat = apply("Flatten", [convolution(input, "first")], "flat")
    let weights = constant("weights", (0..<64).map { Float($0) - 30 }, [16, 4])
    let result = apply("Gemm", [flat, weights], "result")
    for profile in [TargetProfile.digitalSignalProcessor, .kirin] {
      let graphPlan = plan(profile, result)
      let types = graphPlan.operations.map(\.node.operatorType)
      #expect(types == ["Conv", "Gemm"])
      let takesScales = graphPlan.operations.map { profile.takesChannelScales($0.node, rank: 2) }
      #expect(takesScales == [true, false])
    }
    #expect(plan(.kirin, result).functions.isEmpty)
  }

  /// ONNX Runtime's fused kernel refuses a scale for each column of several matrices.
  @Test func productsWithSeveralMatricesHaveOneScale() {
    let product = Node(operatorType: "MatMul")
    let convolution = Node(operatorType: "Conv")
    let profile = TargetProfile.onnxRuntime
    #expect(profile.takesChannelScales(product, rank: 2))
    #expect(!profile.takesChannelScales(product, rank: 3))
    #expect(profile.takesChannelScales(convolution, rank: 4))
    #expect(!TargetProfile.digitalSignalProcessor.takesChannelScales(product, rank: 2))
  }
}
