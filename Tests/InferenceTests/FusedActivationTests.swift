import ModelGraph
import Support
import Testing

@testable import Inference

/// A head and what follows it, over numbers that are not finite, negative zeros and results too
/// small for a float.
struct FusedActivation: CustomTestStringConvertible, Sendable {
  let head: String
  let input: [Int]
  let weights: [Int]
  var group = 1
  var hasScale = false
  let activation: String
  var testDescription: String { "\(head) \(input) \(weights) \(activation) \(hasScale)" }

  static let all: [FusedActivation] = ["Relu", "Clip"].flatMap { activation in
    [false, true].flatMap { hasScale in
      [
        .init(
          head: "Conv", input: [1, 8, 6, 7], weights: [16, 8, 3, 3], hasScale: hasScale,
          activation: activation),
        .init(
          head: "Conv", input: [2, 16, 5, 5], weights: [16, 1, 3, 3], group: 16,
          hasScale: hasScale, activation: activation),
        .init(
          head: "Conv", input: [1, 16, 4, 9], weights: [24, 16, 1, 1], hasScale: hasScale,
          activation: activation),
        .init(
          head: "Conv", input: [1, 3, 9, 9], weights: [5, 3, 2, 2], hasScale: hasScale,
          activation: activation),
        .init(
          head: "Conv", input: [1, 4, 11], weights: [8, 4, 3], hasScale: hasScale,
          activation: activation),
        .init(
          head: "Conv", input: [1, 4, 4, 5, 6], weights: [8, 4, 2, 2, 2], hasScale: hasScale,
          activation: activation),
        .init(
          head: "ConvTranspose", input: [1, 8, 5, 4], weights: [8, 8, 3, 3], hasScale: hasScale,
          activation: activation),
        .init(
          head: "MatMul", input: [9, 16], weights: [16, 24], hasScale: hasScale,
          activation: activation),
      ]
    }
  }

  /// The graph, with constant weights.
  func model(_ generator: inout SeededGenerator) -> Model {
    let graph = Graph(name: "g")
    let (x, head, y) = (Value(name: "x"), Value(name: "head"), Value(name: "y"))
    graph.inputs = [x]
    func constant(_ shape: [Int], _ values: [Float]) -> Value {
      let value = Value(name: "constant\(graph.initializers.count)")
      value.initializer = Tensor(shape, values).copied()
      graph.initializers.append(value)
      return value
    }
    let kernel = constant(weights, special(weights.reduce(1, *), &generator, onlyFinite: true))
    graph.nodes.append(
      Node(
        name: "head", operatorType: self.head, inputs: [x, kernel], outputs: [head],
        attributes: group == 1 ? [] : [Attribute("group", .int(Int64(group)))]))
    var last = head
    let channels =
      self.head == "Conv" ? weights[0] : self.head == "MatMul" ? weights[1] : weights[1]
    if hasScale {
      let shape = [channels] + [Int](repeating: 1, count: max(0, input.count - 2))
      for (name, values) in [
        ("Mul", generator.floats(channels)), ("Add", [Float](repeating: 0, count: channels)),
      ] where name == "Add" || self.head != "MatMul" {
        let next = Value(name: name)
        graph.nodes.append(
          Node(
            name: name, operatorType: name, inputs: [last, constant(shape, values)],
            outputs: [next], attributes: []))
        last = next
      }
    }
    let bounds = activation == "Clip" ? [constant([], [0]), constant([], [6])] : []
    graph.nodes.append(
      Node(
        name: "activation", operatorType: activation, inputs: [last] + bounds, outputs: [y],
        attributes: []))
    graph.outputs = [y]
    return Model(
      graph: graph, operatorSets: [OperatorSet(domain: "", version: 17)], formatVersion: 8)
  }

  /// Numbers of which some are extreme.
  func special(
    _ count: Int, _ generator: inout SeededGenerator, onlyFinite: Bool
  ) -> [Float] {
    let tiny: [Float] = [0, -0.0, 1e-30, -1e-30, 1e-42]
    let odd = onlyFinite ? tiny : tiny + [.nan, .infinity, -.infinity, 3e38, -3e38]
    return generator.floats(count).map { number in
      Int.random(in: 0..<12, using: &generator) == 0
        ? odd.randomElement(using: &generator) ?? number : number
    }
  }
}

@Suite struct FusedActivationTests {
  @Test(arguments: FusedActivation.all)
  func aFusedActivationGivesTheBitsOfASeparateOne(sample: FusedActivation) throws {
    for seed in 0..<4 {
      var generator = SeededGenerator(seed: UInt64(seed))
      let model = sample.model(&generator)
      let feed = Tensor(
        sample.input,
        sample.special(sample.input.reduce(1, *), &generator, onlyFinite: seed == 0))
      let results = try [false, true].map { isSeparate in
        let session = try InferenceSession(
          model: model, options: .init(isWatched: { _ in isSeparate }))
        let values = try session.run(values: ["x": .tensor(feed)]) { _, _ in }
        return try #require(values[0].value.tensor).array(Float.self).map(\.bitPattern)
      }
      #expect(results[0] == results[1], "seed \(seed)")
    }
  }

  @Test func notANumberCountsAsBelowZero() throws {
    let input = Tensor([6], [.nan, -0.0, -1, 2, .infinity, -.infinity] as [Float])
    let relu = try OperatorHarness(name: "Relu").run([input])[0].array(Float.self)
    #expect(
      relu.map(\.bitPattern) == [0, 0, 0, 2, .infinity, 0].map { (x: Float) in x.bitPattern })
    let clip = try OperatorHarness(name: "Clip").run([
      input, Tensor([], [Float(-0.5)]), Tensor([], [Float(1)]),
    ])[0].array(Float.self)
    #expect(clip == [-0.5, 0, -0.5, 1, 1, -0.5])
  }

  @Test(arguments: [10, 11])
  func boundsLeftOutAreTheLargestNumbers(version: Int) throws {
    let input = Tensor([3], [Float.infinity, -.infinity, 7])
    let result = try OperatorHarness(name: "Clip", version: version).run([input])[0]
    #expect(
      result.array(Float.self) == [.greatestFiniteMagnitude, -.greatestFiniteMagnitude, 7])
  }
}
