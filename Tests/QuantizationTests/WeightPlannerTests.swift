import ModelGraph
import Support
import Testing

@testable import Quantization

@Suite struct WeightPlannerTests {
  /// A graph with one MatMul or other node on `weights`.
  private func model(
    _ type: String = "MatMul", weights: Value, attributes: [Attribute] = [],
    between: [Node] = [], weightInput: Int = 1
  ) -> Model {
    let graph = Graph()
    let input = Value(name: "x")
    let read = between.last?.outputs.first.flatMap { $0 } ?? weights
    graph.inputs = [input]
    if weights.initializer != nil { graph.initializers = [weights] }
    let inputs: [Value?] = weightInput == 0 ? [read, input] : [input, read]
    let node = Node(
      name: "node", operatorType: type, inputs: inputs, outputs: [Value(name: "y")],
      attributes: attributes)
    graph.nodes = between + [node]
    return Model(
      graph: graph, operatorSets: [OperatorSet(domain: "", version: 13)], formatVersion: 8)
  }

  private func weights(
    _ dimensions: [Int], type: ElementType = .float32, fill: Float = 0.5
  ) -> Value {
    let value = Value(name: "w")
    let count = dimensions.reduce(1, *)
    let bytes: [UInt8] =
      type == .float32
      ? (0..<count).flatMap { index in
        withUnsafeBytes(of: (fill + Float(index % 7)).bitPattern, Array.init)
      } : [UInt8](repeating: 0, count: type.byteCount(of: count) ?? 0)
    value.initializer = TensorData(
      elementType: type, dimensions: dimensions, storage: .packed(Bytes(bytes)))
    return value
  }

  private func plan(_ model: Model, _ settings: WeightQuantizationSettings) -> [ConstantPlan] {
    WeightPlanner(settings, pool: WorkerPool(threads: 1)).plan(model).constants
  }

  private func reason(_ model: Model, _ settings: WeightQuantizationSettings) -> FloatReason? {
    let constants = plan(model, settings)
    guard constants.count == 1, case .stayFloat(let reason) = constants[0].decision else {
      return nil
    }
    return reason
  }

  @Test(arguments: [
    ("MatMul", true), ("Gemm", true), ("Conv", false), ("ConvTranspose", false),
  ])
  func aTargetNamesTheOperatorsWhoseWeightsBecomeIntegers(type: String, isTaken: Bool) {
    var settings = WeightQuantizationSettings(bits: 8, minWeightChannel: 0)
    settings.operators = ["Gather", "Gemm", "MatMul"]
    let dimensions = type.hasPrefix("Conv") ? [32, 32, 1, 1] : [32, 32]
    let found = reason(model(type, weights: weights(dimensions)), settings)
    #expect(found == (isTaken ? nil : .operatorStaysFloat(.notOnTarget)))
  }

  /// Tables only where products alone read what is looked up.
  @Test func aTargetOfProductsTakesTablesThatOnlyProductsRead() {
    var settings = WeightQuantizationSettings(bits: 8, minWeightChannel: 0)
    settings.operators = ["Gather", "Gemm", "MatMul"]
    for (reader, isTaken) in [("MatMul", true), ("Add", false)] {
      let table = model("Gather", weights: weights([32, 32]), weightInput: 0)
      guard let rows = table.graph.nodes.last?.outputs[0] else { continue }
      table.graph.nodes.append(
        Node(
          name: "reader", operatorType: reader, inputs: [Value(name: "a"), rows],
          outputs: [Value(name: "z")]))
      #expect((reason(table, settings) == nil) == isTaken)
    }
    let unread = model("Gather", weights: weights([32, 32]), weightInput: 0)
    #expect(reason(unread, settings) == .operatorStaysFloat(.notOnTarget))
  }

  private func recipe(_ model: Model, _ settings: WeightQuantizationSettings) -> WeightRecipe? {
    let constants = plan(model, settings)
    guard constants.count == 1, case .quantize(let recipe) = constants[0].decision else {
      return nil
    }
    return recipe
  }

  private let eightBits = WeightQuantizationSettings(bits: 8)

  @Test func eachOperatorHasItsChannelAxis() {
    let kernel = [Attribute("transB", .int(1))]
    let cases: [(String, [Int], [Attribute], Int, Int)] = [
      ("Conv", [32, 4, 3, 3], [], 1, 0), ("ConvTranspose", [4, 32, 3, 3], [], 1, 1),
      ("MatMul", [20, 30], [], 1, 1), ("MatMul", [2, 20, 30], [], 0, 1),
      ("Gemm", [20, 30], [], 1, 1), ("Gemm", [20, 30], kernel, 1, 0),
      ("Gather", [100, 30], [], 0, 0), ("LSTM", [1, 80, 20], [], 1, 1),
    ]
    for (type, dimensions, attributes, input, axis) in cases {
      let model = model(
        type, weights: weights(dimensions), attributes: attributes, weightInput: input)
      #expect(recipe(model, eightBits)?.storage.axis == axis, "\(type)")
    }
  }

  @Test func theStoredTypeIsTheNarrowestThatRuns() {
    for bits in 1...16 {
      let stored = recipe(
        model(weights: weights([40, 30])), WeightQuantizationSettings(bits: bits))?.storage
      #expect(stored?.elementType == (bits <= 4 ? .int4 : bits <= 8 ? .int8 : .int16))
      #expect(stored?.bits == bits)
    }
  }

  @Test func perTensorHasNoAxis() {
    let settings = WeightQuantizationSettings(bits: 8, perChannel: false)
    let found = recipe(model(weights: weights([40, 30])), settings)
    #expect(found != nil)
    #expect(found?.storage.axis == nil)
  }

  /// The first state of a loop that is written out is a constant too.
  @Test func ofTwoConstantsTheRightOneIsTheWeights() throws {
    let model = model(weights: weights([40, 30]))
    let state = Value(name: "state")
    state.initializer = TensorData(
      float32: Array(repeating: 0, count: 800), dimensions: [20, 40])
    model.graph.initializers.append(state)
    model.graph.nodes[0].inputs[0] = state
    let plan = WeightPlanner(eightBits, pool: WorkerPool(threads: 1)).plan(model)
    #expect(plan.constants.map(\.value.name) == ["w"])
  }

  @Test func whatOthersReadStaysFloatWhereTheyTakeNoIntegers() {
    let model = model(weights: weights([40, 30]))
    let (table, moved) = (model.graph.initializers[0], Value(name: "moved"))
    model.graph.nodes += [
      Node(operatorType: "Transpose", inputs: [table], outputs: [moved]),
      Node(operatorType: "Add", inputs: [moved, moved], outputs: [Value(name: "sum")]),
    ]
    #expect(recipe(model, eightBits) != nil)
    var settings = eightBits
    settings.dequantizesForOthers = false
    #expect(reason(model, settings) == .readByOthers(operatorType: "Add"))
    model.graph.nodes.removeLast()
    #expect(recipe(model, settings) != nil)
  }

  @Test func aLookupTableOfFewRowsHasItsScalesAlongTheRow() {
    let settings = WeightQuantizationSettings(bits: 8, biasCorrection: false)
    let few = model("Gather", weights: weights([2, 64]), weightInput: 0)
    #expect(recipe(few, settings)?.storage.axis == 1)
    let many = model("Gather", weights: weights([17, 64]), weightInput: 0)
    #expect(recipe(many, settings)?.storage.axis == 0)
    var impliedAxes = settings
    impliedAxes.perChannelOperators = ["Gather"]
    #expect(reason(few, impliedAxes) == .fewRows(2))
    #expect(recipe(many, impliedAxes)?.storage.axis == 0)
  }

  @Test func everyReasonToStayFloatIsGiven() {
    #expect(reason(model(weights: weights([40])), eightBits) == .rankBelowTwo)
    #expect(
      reason(model(weights: weights([40, 3], type: .float64)), eightBits) == .elementType(.float64))
    #expect(reason(model(weights: weights([0, 3])), eightBits) == .empty)
    #expect(
      reason(
        model(weights: weights([20, 5])), WeightQuantizationSettings(bits: 8, minWeightSize: 100))
        == .notAboveMinSize(elements: 100, limit: 100))
    #expect(
      reason(model("Conv", weights: weights([16, 4, 3, 3])), eightBits)
        == .notAboveMinChannel(channels: 16, limit: 16))
    #expect(
      reason(model("Conv", weights: weights([17, 1, 3, 3])), eightBits)
        == .tooFewPerChannel(elements: 9, limit: 10))
    let skip = WeightQuantizationSettings(bits: 8, skipped: [NodePattern("no*")])
    #expect(reason(model(weights: weights([40, 30])), skip) == .skipped(pattern: "no*"))
    #expect(reason(model(weights: weights([40, 30], fill: .nan)), eightBits) == .nonFinite)
    #expect(reason(model(weights: weights([40, 30], fill: 3e38)), eightBits) == .rangeTooWide)
    let overridable = weights([40, 30])
    overridable.isOverridable = true
    #expect(reason(model(weights: overridable), eightBits) == .overridable)
  }

  @Test func constantsInsideFunctionsStayFloat() {
    let inner = model(weights: weights([40, 30]))
    let outer = Model(
      graph: Graph(),
      functions: [Function(body: inner.graph, operatorSets: inner.operatorSets, carried: [])],
      operatorSets: inner.operatorSets, formatVersion: 8)
    #expect(reason(outer, eightBits) == .insideFunction)
  }

  @Test func constantNodesAreConstants() throws {
    let value = Value(name: "c")
    let data = try #require(weights([40, 30]).initializer)
    let constant = Node(
      operatorType: "Constant", outputs: [value], attributes: [Attribute("value", .tensor(data))])
    let model = model(weights: value)
    model.graph.nodes.insert(constant, at: 0)
    #expect(recipe(model, eightBits)?.storage.axis == 1)
  }

  @Test func weightsAreFoundBehindNodesThatOnlyMoveThem() {
    let source = weights([40, 30])
    let turned = Value(name: "t")
    let transpose = Node(operatorType: "Transpose", inputs: [source], outputs: [turned])
    #expect(
      recipe(model(weights: source, between: [transpose]), eightBits)?.storage.axis == 0)
    let added = Value(name: "u")
    let unsqueeze = Node(
      operatorType: "Unsqueeze", inputs: [source], outputs: [added],
      attributes: [Attribute("axes", .ints([0]))])
    let recurrent = model("LSTM", weights: source, between: [unsqueeze])
    #expect(recipe(recurrent, eightBits)?.storage.axis == 0)
  }

  @Test func aComputedWeightIsNoConstant() {
    let source = weights([40, 30])
    let product = Node(
      operatorType: "Mul", inputs: [source, source], outputs: [Value(name: "p")])
    #expect(plan(model(weights: source, between: [product]), eightBits).isEmpty)
  }

  @Test func aSharedWeightIsPlannedOnceWithAllItsNodes() {
    let source = weights([40, 30])
    let model = model(weights: source)
    model.graph.nodes.append(
      Node(
        name: "second", operatorType: "MatMul", inputs: [model.graph.inputs[0], source],
        outputs: [Value(name: "z")]))
    let constants = plan(model, eightBits)
    #expect(constants.count == 1)
    #expect(constants.first?.nodes.map(\.name) == ["node", "second"])
    let one = WeightQuantizationSettings(bits: 8, skipped: [NodePattern("node")])
    #expect(recipe(model, one) != nil, "a node that isn't skipped still wants it quantized")
  }

  @Test func patternsMatchNamesGlobsAndTypes() {
    let model = model(weights: weights([40, 30]))
    let settings = WeightQuantizationSettings(
      bits: 8,
      skipped: ["node", "n*e", "type:MatMul", "nodes", "type:Conv", "x*"].map(NodePattern.init))
    let unmatched = WeightPlanner(settings, pool: WorkerPool(threads: 1))
      .unmatchedPatterns(in: model)
    #expect(unmatched.map(\.text) == ["nodes", "type:Conv", "x*"])
  }

  @Test func knownInputMeansAreUsedOnlyWhereTheRangeIsLeftToThePlanner() {
    let source = weights([32, 3, 1, 1])
    let model = model("Conv", weights: source)
    let scale = Value(name: "scale")
    scale.initializer = TensorData(float32: [1, 2, 1])
    let offset = Value(name: "offset")
    offset.initializer = TensorData(float32: [0, 4, -2])
    let normalized = Value(name: "n")
    let normalization = Node(
      operatorType: "BatchNormalization",
      inputs: [model.graph.inputs[0], scale, offset, offset, scale], outputs: [normalized])
    model.graph.nodes[0].inputs[0] = normalized
    model.graph.nodes.insert(normalization, at: 0)
    var settings = WeightQuantizationSettings(bits: 4, biasCorrection: false)
    let means = recipe(model, settings)?.inputMeans
    #expect(means?.count == 3)
    #expect(means?[0] == 0)
    #expect((means?[1] ?? 0) > 0 && (means?[2] ?? 0) < 0)
    settings.rangeMethod = .maxMin
    #expect(recipe(model, settings) != nil)
    #expect(recipe(model, settings)?.inputMeans == nil)
  }

  @Test(arguments: [(36, true), (1, false)])
  func aLoneFilterIsNoBank(filters: Int, isBank: Bool) {
    let model = model("Conv", weights: weights([filters, 1, 1, 256]))
    let settings = WeightQuantizationSettings(bits: 8, minWeightChannel: 0)
    #expect(recipe(model, settings)?.shapesNoise == isBank)
  }
}
