import ModelGraph
import Support
import Testing

@testable import Inference

/// A convolution with a normalization behind it, and what may follow.
struct NormalizedConvolution: CustomTestStringConvertible, Sendable {
  let input: [Int]
  let weights: [Int]
  var group = 1
  var hasBias = false
  var ending = ""
  /// A factor of 0 for one channel, from which its input can't be told.
  var hasZero = false

  var testDescription: String { "\(input) \(weights) \(ending) \(hasBias) \(hasZero)" }

  static let all: [NormalizedConvolution] = ["", "Clip", "Add"].flatMap { ending in
    [false, true].flatMap { hasBias in
      [
        .init(input: [1, 8, 9, 7], weights: [16, 8, 3, 3], hasBias: hasBias, ending: ending),
        .init(
          input: [2, 16, 5, 5], weights: [16, 1, 3, 3], group: 16, hasBias: hasBias,
          ending: ending, hasZero: true),
        .init(
          input: [1, 12, 6, 6], weights: [8, 3, 3, 3], group: 4, hasBias: hasBias, ending: ending),
        .init(input: [1, 40, 4, 9], weights: [24, 40, 1, 1], hasBias: hasBias, ending: ending),
        .init(input: [1, 4, 11], weights: [8, 4, 3], hasBias: hasBias, ending: ending),
        .init(
          input: [1, 4, 4, 5, 6], weights: [8, 4, 2, 2, 2], hasBias: hasBias, ending: ending,
          hasZero: true),
      ]
    }
  }

  /// The graph; the convolution's result is called "raw", the normalization's "normal".
  func model(_ generator: inout SeededGenerator) -> Model {
    let graph = Graph(name: "g")
    let (x, raw, normal) = (Value(name: "x"), Value(name: "raw"), Value(name: "normal"))
    graph.inputs = [x]
    let channels = weights[0]
    func constant(_ shape: [Int], _ values: [Float]) -> Value {
      let value = Value(name: "constant\(graph.initializers.count)")
      value.initializer = Tensor(shape, values).copied()
      graph.initializers.append(value)
      return value
    }
    func perChannel(_ range: ClosedRange<Float>) -> [Float] {
      (0..<channels).map { _ in Float.random(in: range, using: &generator) }
    }
    var factors = perChannel(0.2...2)
    if hasZero { factors[channels / 2] = 0 }
    graph.nodes = [
      Node(
        name: "head", operatorType: "Conv",
        inputs: [x, constant(weights, generator.floats(weights.reduce(1, *)))]
          + (hasBias ? [constant([channels], perChannel(-1...1))] : []),
        outputs: [raw], attributes: [Attribute("group", .int(Int64(group)))]),
      Node(
        name: "norm", operatorType: "BatchNormalization",
        inputs: [
          raw, constant([channels], factors), constant([channels], perChannel(-1...1)),
          constant([channels], perChannel(-2...2)), constant([channels], perChannel(0.1...2)),
        ], outputs: [normal], attributes: []),
    ]
    var last = normal
    if !ending.isEmpty {
      let y = Value(name: "y")
      let others = ending == "Clip" ? [constant([], [-1]), constant([], [1])] : [normal]
      graph.nodes.append(
        Node(
          name: "ending", operatorType: ending, inputs: [normal] + others, outputs: [y],
          attributes: []))
      last = y
    }
    graph.outputs = [last]
    return Model(
      graph: graph, operatorSets: [OperatorSet(domain: "", version: 17)], formatVersion: 8)
  }
}

@Suite struct NormalizationFoldingTests {
  /// Values of a run by name; those of `watched` and the result.
  private func run(
    _ model: Model, _ feed: Tensor, watching watched: Set<String>
  ) throws -> [String: [Float]] {
    let seen = Guarded<[String: [Float]]>([:])
    let session = try InferenceSession(
      model: model, options: .init(isWatched: { watched.contains($0) }))
    let results = try session.run(values: ["x": .tensor(feed)]) { name, tensor in
      seen.withLock { $0[name] = tensor.array(Float.self) }
    }
    var values = seen.withLock { $0 }
    values["result"] = try #require(results[0].value.tensor).array(Float.self)
    return values
  }

  /// The convolution by itself, normalized by the formula in double precision.
  private func expected(
    _ model: Model, _ feed: Tensor
  ) throws -> (raw: [Float], normal: [Double]) {
    let graph = model.graph
    let alone = Graph(name: "alone")
    let head = graph.nodes[0]
    let raw = Value(name: "alone")
    alone.inputs = graph.inputs
    alone.initializers = graph.initializers
    alone.nodes = [
      Node(
        name: "alone", operatorType: "Conv", inputs: head.inputs, outputs: [raw],
        attributes: head.attributes)
    ]
    alone.outputs = [raw]
    let values = try run(
      Model(graph: alone, operatorSets: model.operatorSets, formatVersion: 8), feed, watching: [])
    let made = try #require(values["result"])
    let parameters = try graph.nodes[1].inputs[1...].map { input in
      try #require(input?.initializer?.float32Values).map(Double.init)
    }
    let channels = parameters[0].count
    let positions = made.count / feed.shape[0] / channels
    let normal = made.enumerated().map { index, value in
      let channel = index / positions % channels
      return (Double(value) - parameters[2][channel]) * parameters[0][channel]
        / (parameters[3][channel] + 1e-5).squareRoot() + parameters[1][channel]
    }
    return (made, normal)
  }

  @Test(arguments: NormalizedConvolution.all)
  func resultsAreTheFormulasWhoeverWatches(sample: NormalizedConvolution) throws {
    var generator = SeededGenerator(seed: 7)
    let model = sample.model(&generator)
    let feed = Tensor(sample.input, generator.floats(sample.input.reduce(1, *)))
    let (raw, normal) = try expected(model, feed)
    let plain = try run(model, feed, watching: [])
    let watched = try run(model, feed, watching: ["raw", "normal"])
    let result = try #require(plain["result"])
    #expect(result.map(\.bitPattern) == watched["result"]?.map(\.bitPattern))
    func largest(_ values: [some BinaryFloatingPoint]) -> Double {
      values.reduce(0) { max($0, abs(Double($1))) }
    }
    func difference(_ a: [some BinaryFloatingPoint], _ b: [some BinaryFloatingPoint]) -> Double {
      guard a.count == b.count else { return .infinity }
      return zip(a, b).reduce(0) { max($0, abs(Double($1.0) - Double($1.1))) }
    }
    let found = try #require(watched["normal"])
    #expect(difference(found, normal) <= 2e-6 * largest(normal))
    let ended = normal.map { value in
      sample.ending == "Clip" ? max(-1, min(1, value)) : sample.ending == "Add" ? 2 * value : value
    }
    #expect(difference(result, ended) <= 4e-6 * largest(normal))
    let seen = try #require(watched["raw"])
    #expect(difference(seen, raw) <= 1e-5 * largest(raw))
    if sample.hasZero { #expect(seen == raw, "computed beside, not told from the result") }
  }

  @Test func whatOthersReadIsLeftAlone() throws {
    var generator = SeededGenerator(seed: 3)
    let sample = NormalizedConvolution(input: [1, 4, 5, 5], weights: [6, 4, 3, 3])
    let model = sample.model(&generator)
    let raw = try #require(model.graph.nodes[0].outputs[0])
    model.graph.outputs.append(raw)
    let feed = Tensor(sample.input, generator.floats(100))
    let session = try InferenceSession(model: model, options: .init())
    let results = try session.run(values: ["x": .tensor(feed)]) { _, _ in }
    let expected = try expected(model, feed)
    #expect(try #require(results[1].value.tensor).array(Float.self) == expected.raw)
  }

  /// Reports count zeros: a watched convolution has all of those it would have by itself.
  @Test(arguments: [false, true]) func zerosStayZeros(hasBias: Bool) throws {
    var generator = SeededGenerator(seed: 5)
    let sample = NormalizedConvolution(
      input: [1, 4, 9, 9], weights: [6, 4, 3, 3], hasBias: hasBias)
    let model = sample.model(&generator)
    let feed = Tensor(
      sample.input, generator.floats(324).enumerated().map { $0 % 81 < 45 ? 0 : $1 })
    let (raw, _) = try expected(model, feed)
    let seen = try #require(try run(model, feed, watching: ["raw"])["raw"])
    let bias = hasBias ? model.graph.initializers[1].initializer?.float32Values : nil
    var found = 0
    for (index, value) in raw.enumerated() where value == bias?[index / 49] ?? 0 {
      #expect(seen[index] == value)
      found += 1
    }
    #expect(found >= 6 * 7)
  }
}
