import ModelGraph
import Support
import Testing

@testable import Quantization

/// Which weights are rounded on samples.
@Suite struct FeedbackLayerTests {
  private func constant(_ name: String, _ dimensions: [Int], seed: UInt64) -> Value {
    var numbers = TestNumbers(seed: seed)
    let value = Value(name: name)
    value.initializer = TensorData(
      float32: numbers.weights(dimensions.reduce(1, *)), dimensions: dimensions)
    return value
  }

  /// A language model's ends: rows of a table are looked up, and the table is multiplied by.
  private func tied(_ transposes: Bool = true, axis: Int64 = 0) -> (Model, table: Value) {
    let table = constant("table", transposes ? [24, 16] : [16, 24], seed: 3)
    let names = ["ids", "rows", "turned", "logits"]
    let values = names.map { Value(name: $0) }
    let graph = Graph(name: "tied")
    graph.inputs = [values[0]]
    graph.outputs = [values[3]]
    graph.initializers = [table]
    graph.nodes = [
      Node(
        name: "look", operatorType: "Gather", inputs: [table, values[0]], outputs: [values[1]],
        attributes: [Attribute("axis", .int(axis))]),
      Node(name: "turn", operatorType: "Transpose", inputs: [table], outputs: [values[2]]),
      Node(
        name: "product", operatorType: "MatMul",
        inputs: [values[1], transposes ? values[2] : table], outputs: [values[3]]),
    ]
    let model = Model(
      graph: graph, operatorSets: [OperatorSet(domain: "", version: 17)], formatVersion: 8)
    return (model, table)
  }

  private func plan(_ model: Model) -> QuantizationPlan {
    WeightPlanner(
      WeightQuantizationSettings(bits: 4, minWeightSize: 0, minWeightChannel: 0),
      pool: WorkerPool(threads: 1)
    ).plan(model)
  }

  @Test func tiedEmbeddingsAreRoundedForTheirProduct() throws {
    let (model, _) = tied()
    let layers = FeedbackLayer.layers(of: plan(model), in: model.graph)
    #expect(layers.map(\.place) == [2])
    #expect(layers.first?.dimensions == [16, 24], "as the product reads it")
    #expect(FeedbackLayer.obstacles(of: plan(model), in: model.graph).isEmpty)
  }

  @Test func theProductReadsWhatTheRowsBecome() throws {
    let (model, table) = tied()
    let layer = try #require(FeedbackLayer.layers(of: plan(model), in: model.graph).first)
    var part = InputMoments.Part(groups: 1, columns: 16, isDepthwise: false)
    var numbers = TestNumbers(seed: 5)
    let inputs = numbers.weights(16 * 40)
    inputs.withUnsafeBufferPointer { part.add($0, count: 40, group: 0) }
    var moments = InputMoments(groups: 1, columns: 16)
    moments.merge(part)
    let rounded = try #require(
      layer.rounded(moments, weightOfColumn: Array(0..<16), correctsMeans: false))
    let turned = try #require(layer.dequantized(rounded).float32Values)
    let floats = try #require(table.constant?.float32Values)
    let largest = floats.map(abs).max() ?? 0
    for row in 0..<24 {
      for column in 0..<16 {
        #expect(abs(turned[column * 24 + row] - floats[row * 16 + column]) < largest / 4)
      }
    }
  }

  @Test func aTableLookedUpAlongAnotherAxisIsNot() {
    let (model, _) = tied(false, axis: 0)
    #expect(FeedbackLayer.layers(of: plan(model), in: model.graph).isEmpty)
    let obstacles = FeedbackLayer.obstacles(of: plan(model), in: model.graph)
    #expect(obstacles.map(\.reason) == [.shared])
  }

  /// What is looked up stays nearer than if the product alone counted.
  @Test(arguments: 1...12 as ClosedRange<UInt64>) func lookupsCountToo(seed: UInt64) throws {
    var numbers = TestNumbers(seed: seed)
    let (channels, size) = (16, 24)
    let weights = numbers.weights(channels * size)
    var part = InputMoments.Part(groups: 1, columns: size, isDepthwise: false)
    let inputs = (0..<80).flatMap { _ in
      let common = numbers.weights(1)[0] * 8
      return numbers.weights(size).map { $0 + common }
    }
    inputs.withUnsafeBufferPointer { part.add($0, count: 80, group: 0) }
    var moments = InputMoments(groups: 1, columns: size)
    moments.merge(part)
    let recipe = WeightRecipe(
      storage: QuantizedStorage(bits: 3, elementType: .int8, axis: 0),
      layout: ChannelLayout(dimensions: [channels, size], axis: 0, kernelAxis: nil),
      range: .maxMin, round: .nearest, correctsScale: false)
    func squaredError(isTable: Bool) throws -> Float {
      let rounded = try #require(
        FeedbackRounding(
          source: TensorData(float32: weights, dimensions: [channels, size]), recipe: recipe,
          moments: moments, weightOfColumn: Array(0..<size), correctsMeans: false,
          isTable: isTable
        ).rounded())
      return zip(weights, rounded.dequantized(recipe.layout)).reduce(0) {
        $0 + ($1.0 - $1.1) * ($1.0 - $1.1)
      }
    }
    let (alone, both) = (try squaredError(isTable: false), try squaredError(isTable: true))
    #expect(both < alone, "seed \(seed)")
  }
}
