import ModelGraph
import Support
import Testing

@testable import Quantization

@Suite struct DynamicPlannerTests {
  private func constant(_ name: String, _ dimensions: [Int]) -> Value {
    let value = Value(name: name)
    let count = dimensions.reduce(1, *)
    value.initializer = TensorData(
      float32: (0..<count).map { Float(($0 * 37 + 11) % 101 - 50) / 50 }, dimensions: dimensions)
    return value
  }

  /// Every kind of operator with weights, and two that share turned weights.
  private func model() -> Model {
    let graph = Graph()
    let x = Value(name: "x")
    let table = constant("table", [64, 8])
    let weights = ["plain": constant("plain", [8, 16]), "cube": constant("cube", [2, 8, 16])]
    let turned = Value(name: "turned")
    let kernel = constant("kernel", [32, 8, 3])
    graph.inputs = [x]
    graph.initializers = [table, kernel, constant("lookup", [64, 8])] + weights.values
    func node(_ name: String, _ type: String, _ inputs: [Value?], _ more: [Attribute] = []) -> Node
    {
      let output = name == "turn" ? turned : Value(name: name + "_out")
      return Node(
        name: name, operatorType: type, inputs: inputs, outputs: [output], attributes: more)
    }
    graph.nodes = [
      node("look", "Gather", [graph.initializers[2], Value(name: "ids")]),
      node("product", "MatMul", [x, weights["plain"]]), node("again", "MatMul", [x, x]),
      node("batched", "MatMul", [x, weights["cube"]]), node("filter", "Conv", [x, kernel]),
      node("turn", "Transpose", [table], [Attribute("perm", .ints([1, 0]))]),
      node("tied", "MatMul", [x, turned]), node("straight", "MatMul", [x, table]),
      node("scaled", "Gemm", [x, table], [Attribute("alpha", .float(2))]),
      node("dense", "Gemm", [x, table], [Attribute("transB", .int(1))]),
    ]
    return Model(
      graph: graph, operatorSets: [OperatorSet(domain: "", version: 17)], formatVersion: 8)
  }

  private func plan(
    _ strategy: DynamicStrategy = .activationLayerWeightChannel, skipped: [String] = [],
    for target: DynamicTarget = .onnx
  ) -> DynamicPlan {
    let settings = WeightQuantizationSettings(
      bits: 8, minWeightChannel: 0, skipped: skipped.map { NodePattern($0) })
    return DynamicPlanner(settings, strategy, for: target, pool: WorkerPool(threads: 1))
      .plan(model())
  }

  @Test func productsWithConstantMatricesRunInIntegers() {
    let plan = plan()
    #expect(plan.products.map(\.node.name) == ["product", "tied", "dense"])
    #expect(plan.products.map(\.isTransposed) == [false, true, true])
    let reasons = Dictionary(plan.floats.map { ($0.node.name, $0.reason) }) { first, _ in first }
    #expect(
      reasons == [
        "again": .noConstantWeights, "batched": .weightAxes, "filter": .noDynamicKernel,
        "straight": .otherLayout, "scaled": .factors,
      ])
  }

  /// MindSpore Lite's products don't saturate, and its tables have zero points.
  @Test func aTargetDecidesAboutIntegers() {
    func recipe(_ name: String, _ target: DynamicTarget) -> WeightRecipe? {
      plan(for: target).weights.quantized.first { $0.plan.value.name == name }?.recipe
    }
    #expect(recipe("plain", .onnx)?.pairLimit != nil)
    #expect(recipe("plain", .mindSporeLite)?.pairLimit == nil)
    #expect(recipe("plain", .mindSporeLite)?.isSymmetric == true)
    #expect(recipe("lookup", .onnx)?.isSymmetric == true)
    #expect(recipe("lookup", .mindSporeLite)?.isSymmetric == false)
    #expect(recipe("lookup", .mindSporeLite)?.storage.axis == 0)
  }

  /// A table of two rows has scales along its rows, which a `.ms` file can't say.
  @Test func aTableOfFewRowsStaysFloatForMindSporeLite() throws {
    let model = model()
    let table = constant("types", [2, 32])
    model.graph.initializers.append(table)
    model.graph.nodes.append(
      Node(
        name: "type", operatorType: "Gather", inputs: [table, Value(name: "type_ids")],
        outputs: [Value(name: "type_out")]))
    let settings = WeightQuantizationSettings(bits: 8, minWeightChannel: 0)
    for (target, isFloat) in [(DynamicTarget.onnx, false), (.mindSporeLite, true)] {
      let plan = DynamicPlanner(
        settings, .activationLayerWeightChannel, for: target, pool: WorkerPool(threads: 1)
      ).plan(model)
      let found = try #require(plan.weights.constants.first { $0.value.name == "types" })
      if case .stayFloat = found.decision { #expect(isFloat) } else { #expect(!isFloat) }
    }
  }

  /// Weights in a `.ms` file are integers for all that read them, or for none.
  @Test func aProductThatSharesWithAFloatOneIsFloatInMindSporeLite() {
    let model = model()
    let weights = constant("shared", [32, 32])
    model.graph.initializers.append(weights)
    for name in ["left", "right"] {
      model.graph.nodes.append(
        Node(
          name: name, operatorType: "MatMul", inputs: [model.graph.inputs[0], weights],
          outputs: [Value(name: name + "_out")]))
    }
    var settings = WeightQuantizationSettings(bits: 8, minWeightChannel: 0)
    func products(_ target: DynamicTarget) -> [String] {
      DynamicPlanner(
        settings, .activationLayerWeightChannel, for: target, pool: WorkerPool(threads: 1)
      ).plan(model).products.map(\.node.name).filter { ["left", "right"].contains($0) }
    }
    #expect(products(.mindSporeLite) == ["left", "right"])
    let lookup = Node(
      name: "rows", operatorType: "Gather", inputs: [weights, Value(name: "row_ids")],
      outputs: [Value(name: "rows_out")])
    model.graph.nodes.append(lookup)
    #expect(products(.onnx) == ["left", "right"])
    #expect(products(.mindSporeLite).isEmpty)
    lookup.setAttribute("axis", .int(1))
    #expect(products(.mindSporeLite) == ["left", "right"])
    model.graph.nodes.removeLast()
    settings.skipped = [NodePattern("left")]
    #expect(products(.onnx) == ["right"])
    #expect(products(.mindSporeLite).isEmpty)
  }

  @Test func aSkippedProductStaysFloat() {
    let plan = plan(skipped: ["prod*"])
    #expect(plan.products.map(\.node.name) == ["tied", "dense"])
    #expect(plan.floats.first?.reason == .skipped(pattern: "prod*"))
    #expect(!plan.weights.quantized.contains { $0.plan.value.name == "plain" })
  }

  @Test func constantsOfFloatOperatorsStayFloatAndTablesDoNot() {
    let quantized = plan().weights.quantized.map(\.plan.value.name)
    #expect(Set(quantized) == ["lookup", "plain", "table"])
  }

  @Test(arguments: [
    DynamicStrategy.activationLayerWeightChannel, .activationChannelWeightLayer,
    .activationChannelWeightChannel,
  ])
  func integersAreSymmetricAndPairsDoNotSaturate(strategy: DynamicStrategy) throws {
    let entries = plan(strategy).weights.quantized.filter { $0.plan.value.name != "lookup" }
    #expect(entries.count == 2)
    for entry in entries {
      let isTable = entry.plan.value.name == "table"
      let axis = isTable ? 0 : 1
      #expect(
        entry.recipe.storage.axis == (strategy.scalesChannels ? axis : nil))
      let constant = WeightEncoder(source: entry.plan.source, recipe: entry.recipe)
        .quantizedConstant(number: 0)
      let slab = constant.encode(0)
      #expect(slab.parameters.zeroPoints.allSatisfy { $0 == 0 })
      let integers = slab.integers.map { Int(Int8(bitPattern: $0)) }
      let columns = entry.plan.source.dimensions[1]
      func integer(_ channel: Int, _ place: Int) -> Int {
        isTable ? integers[channel * columns + place] : integers[place * columns + channel]
      }
      for channel in 0..<entry.recipe.layout.channels {
        for place in stride(from: 0, to: entry.recipe.layout.elementsPerChannel - 1, by: 2) {
          #expect(abs(integer(channel, place) + integer(channel, place + 1)) <= 128)
        }
      }
    }
  }
}
