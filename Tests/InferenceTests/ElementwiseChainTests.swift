import ModelGraph
import Support
import Testing

@testable import Inference

/// A graph of elementwise nodes, run once as it is and once with its runs joined.
private struct ElementwiseGraph {
  var graph = Graph()
  var feeds: [ObjectIdentifier: Tensor] = [:]
  var constants: [ObjectIdentifier: Tensor] = [:]
  /// Values that nodes may read.
  var values: [Value] = []

  mutating func feed(_ tensor: Tensor) -> Value {
    let value = Value(name: "in\(values.count)")
    feeds[ObjectIdentifier(value)] = tensor
    values.append(value)
    return value
  }

  mutating func constant(_ number: Float, _ shape: [Int] = []) -> Value {
    let value = Value(name: "constant\(constants.count)")
    constants[ObjectIdentifier(value)] = Tensor(shape, [number])
    return value
  }

  @discardableResult
  mutating func node(_ type: String, _ inputs: [Value?], _ attributes: [Attribute] = []) -> Value {
    let output = Value(name: "value\(values.count)")
    graph.nodes.append(
      Node(
        name: "node\(graph.nodes.count)", operatorType: type, inputs: inputs, outputs: [output],
        attributes: attributes))
    values.append(output)
    return output
  }

  var drafts: [Draft] {
    graph.nodes.compactMap { node in
      OperatorTable.find(node.operatorType, domain: node.domain).map {
        Draft(
          node: node, definition: $0, inputs: node.inputs, outputs: node.outputs, captures: [])
      }
    }
  }

  func fused(isWatched: (String) -> Bool = { _ in false }) -> [Draft] {
    ElementwiseChain.fuse(drafts, graph: graph, isWatched: isWatched) {
      constants[ObjectIdentifier($0)]
    }
  }

  /// The outputs' elements.
  func run(_ drafts: [Draft], threads: Int = 1) throws -> [Tensor] {
    let context = RunContext(pool: BufferPool(), workers: WorkerPool(threads: threads))
    var known = feeds.merging(constants) { first, _ in first }
    for draft in drafts {
      var settings: [Int: Tensor] = [:]
      for case (let index, let value?) in draft.inputs.enumerated() {
        settings[index] = constants[ObjectIdentifier(value)]
      }
      let body = try draft.definition.prepare(
        NodeSettings(
          node: draft.node, version: 17, constants: settings, inputCount: draft.inputs.count,
          followers: [], nested: { _ in throw KernelProblem("none") },
          versionOf: { _ in 17 }))
      let inputs = draft.inputs.map { value in
        value.flatMap { known[ObjectIdentifier($0)] }.map { RunValue.tensor($0) }
      }
      let results = try body(KernelCall(inputs: inputs, context: context, observer: nil))
      for case (let output?, let result?) in zip(draft.outputs, results) {
        known[ObjectIdentifier(output)] = result.tensor
      }
    }
    return graph.outputs.compactMap { known[ObjectIdentifier($0)] }
  }
}

@Suite struct ElementwiseChainTests {
  private static let functions = [
    "Relu", "Sigmoid", "Tanh", "Erf", "Exp", "Neg", "Abs", "Sqrt", "HardSigmoid", "HardSwish",
    "Softplus", "LeakyRelu", "Reciprocal",
  ]
  private static let combinations = ["Add", "Sub", "Mul", "Div", "Min", "Max"]

  private func sameBits(_ left: [Tensor], _ right: [Tensor], _ note: String) {
    #expect(left.count == right.count)
    for (a, b) in zip(left, right) {
      #expect(a.shape == b.shape, "\(note)")
      let (x, y) = (a.array(Float.self), b.array(Float.self))
      #expect(
        zip(x, y).allSatisfy { $0.bitPattern == $1.bitPattern || $0.isNaN && $1.isNaN }, "\(note)")
    }
  }

  private func randomGraph(_ generator: inout SeededGenerator) -> ElementwiseGraph {
    var result = ElementwiseGraph()
    let extents = (0..<3).map { _ in [1, 2, 3, 7, 40].randomElement(using: &generator) ?? 1 }
    let full = [Int.random(in: 1...2, using: &generator)] + extents
    let shapes = [
      full, full, [full[1], 1, 1], [full[0], full[1], 1, 1], [1, 1, full[2], full[3]], [full[3]],
      [full[0], 1, full[2], full[3]],
    ]
    let chosen = shapes.shuffled(using: &generator).prefix(3) + [full]
    for shape in chosen {
      let tensor = Tensor(shape, generator.floats(shape.reduce(1, *)))
      let isChannelsLast = shape.count == 4 && Bool.random(using: &generator)
      _ = result.feed(isChannelsLast ? tensor.channelsLast : tensor)
    }
    for _ in 0..<Int.random(in: 2...9, using: &generator) {
      let recent = result.values.suffix(4)
      let left = recent.randomElement(using: &generator) ?? result.values[0]
      switch Int.random(in: 0..<8, using: &generator) {
      case 0: result.node("Pow", [left, result.constant(2)])
      case 1:
        result.node("Clip", [left, result.constant(-0.5, [1]), result.constant(1.5)])
      case 2, 3: result.node(Self.functions.randomElement(using: &generator) ?? "Relu", [left])
      case 4:
        result.node(
          Self.combinations.randomElement(using: &generator) ?? "Add", [left, result.constant(3)])
      default:
        let right = result.values.randomElement(using: &generator) ?? left
        result.node(Self.combinations.randomElement(using: &generator) ?? "Add", [left, right])
      }
    }
    let read = Set(
      result.graph.nodes.flatMap(\.inputs).compactMap { $0 }.map(ObjectIdentifier.init))
    result.graph.outputs = result.values.filter { !read.contains(ObjectIdentifier($0)) }
      .filter { result.feeds[ObjectIdentifier($0)] == nil }
    return result
  }

  @Test(arguments: 0..<300)
  func joinedRunsGiveTheBitsOfSeparateNodes(seed: Int) throws {
    var generator = SeededGenerator(seed: UInt64(seed))
    let sample = randomGraph(&generator)
    let separate = try sample.run(sample.drafts)
    sameBits(separate, try sample.run(sample.fused()), "seed \(seed)")
    sameBits(separate, try sample.run(sample.fused(), threads: 3), "seed \(seed), three workers")
  }

  /// x (erf(x / sqrt 2) + 1) 0.5, as exporters write it.
  private func writtenOutGelu(_ input: Tensor) -> ElementwiseGraph {
    var sample = ElementwiseGraph()
    let x = sample.feed(input)
    let scaled = sample.node("Div", [x, sample.constant(1.4142135)])
    let sum = sample.node("Add", [sample.node("Erf", [scaled]), sample.constant(1)])
    let product = sample.node("Mul", [x, sum])
    sample.graph.outputs = [sample.node("Mul", [product, sample.constant(0.5)])]
    return sample
  }

  @Test func aWrittenOutGeluBecomesOneStep() throws {
    var generator = SeededGenerator(seed: 1)
    let sample = writtenOutGelu(Tensor([3, 700], generator.floats(2100, in: -5...5)))
    #expect(sample.fused().count == 1)
    sameBits(try sample.run(sample.drafts), try sample.run(sample.fused()), "gelu")
  }

  @Test func watchedValuesAreKept() throws {
    let sample = writtenOutGelu(Tensor([4], [Float(-1), 0, 1, 2]))
    #expect(sample.fused { $0 == "value2" }.count == 2)
    let exposed = sample
    exposed.graph.outputs.append(sample.values[1])
    #expect(exposed.fused().count == 2)
  }

  @Test func otherTypesRunNodeByNode() throws {
    var sample = ElementwiseGraph()
    let x = sample.feed(Tensor([4], [Int32(-7), 2, 7, 9]))
    let y = sample.feed(Tensor([1], [Int32(2)]))
    sample.graph.outputs = [sample.node("Mul", [sample.node("Div", [x, y]), y])]
    #expect(sample.fused().count == 1)
    #expect(try sample.run(sample.fused())[0].array(Int32.self) == [-6, 2, 6, 8])
  }

  @Test func aFailureNamesTheNode() throws {
    var sample = ElementwiseGraph()
    let x = sample.feed(Tensor([2], [Float(1), 2]))
    let y = sample.feed(Tensor([3], [Float(1), 2, 3]))
    sample.graph.outputs = [sample.node("Add", [sample.node("Neg", [x]), y])]
    let failure = #expect(throws: NodeFailure.self) { try sample.run(sample.fused()) }
    #expect(failure?.label.name == "node1")
  }
}
