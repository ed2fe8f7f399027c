import GraphPasses
import ModelGraph
import Testing

/// Convolutions of extent 1 as matrices, and constants that are only shaped.
@Suite struct PointwiseMergingTests {
  private static func constant(_ graph: Graph, _ name: String, _ values: [Float], _ extents: [Int])
    -> Value
  {
    let value = Value(name: name)
    value.initializer = TensorData(float32: values, dimensions: extents)
    graph.initializers.append(value)
    return value
  }

  /// A chain of convolutions of these channel counts, with weights from a seed.
  private static func chain(
    _ channels: [Int], seed: UInt64, _ attributes: [Attribute] = []
  ) -> Graph {
    var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
    func number() -> Float {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Float(Int32(truncatingIfNeeded: state >> 32)) / Float(Int32.max)
    }
    let graph = Graph(name: "chain")
    var value = Value(name: "x")
    graph.inputs = [value]
    for (layer, (inputs, outputs)) in zip(channels, channels.dropFirst()).enumerated() {
      let weights = constant(
        graph, "w\(layer)", (0..<inputs * outputs).map { _ in number() }, [outputs, inputs, 1, 1])
      let bias = constant(graph, "b\(layer)", (0..<outputs).map { _ in number() }, [outputs])
      let result = Value(name: "y\(layer)")
      graph.nodes.append(
        Node(
          name: "n\(layer)", operatorType: "Conv", inputs: [value, weights, bias],
          outputs: [result], attributes: attributes))
      value = result
    }
    graph.outputs = [value]
    return graph
  }

  /// The chain's answer for one position.
  private static func run(_ graph: Graph, _ x: [Double]) throws -> [Double] {
    var values = x
    for node in graph.nodes {
      let weights = try #require(node.inputs[1]?.constant?.float32Values)
      let bias = try #require(node.inputs[2]?.constant?.float32Values)
      let count = values.count
      values = bias.indices.map { output in
        values.indices.reduce(Double(bias[output])) {
          $0 + Double(weights[output * count + $1]) * values[$1]
        }
      }
    }
    return values
  }

  @Test(arguments: 1...20 as ClosedRange<UInt64>)
  func theMergedConvolutionGivesTheSameNumbers(seed: UInt64) throws {
    let graph = Self.chain([3 + Int(seed % 3), 9, 4], seed: seed)
    let x = (0..<3 + Int(seed % 3)).map { Double($0) - 1.5 }
    let before = try Self.run(graph, x)
    PointwiseMerging.apply(to: graph)
    #expect(graph.nodes.map(\.name) == ["n1"])
    #expect(graph.initializers.count == 2)
    for (a, b) in zip(before, try Self.run(graph, x)) {
      #expect(abs(a - b) < 1e-5 * (1 + abs(a)), "seed \(seed)")
    }
  }

  @Test func narrowLayersBetweenWideOnesStay() {
    let graph = Self.chain([16, 2, 16], seed: 1)
    PointwiseMerging.apply(to: graph)
    #expect(graph.nodes.count == 2)
  }

  @Test func windowsThatMoveOtherwiseStay() {
    for attribute in [
      Attribute("strides", .ints([2, 2])), Attribute("pads", .ints([1, 0, 0, 0])),
      Attribute("auto_pad", .string(Array("SAME_UPPER".utf8))),
    ] {
      let graph = Self.chain([3, 9, 4], seed: 2, [attribute])
      PointwiseMerging.apply(to: graph)
      #expect(graph.nodes.count == 2, "\(attribute.name)")
    }
  }

  @Test func valuesWithOtherReadersStay() {
    let graph = Self.chain([3, 9, 4], seed: 3)
    graph.outputs += graph.nodes[0].outputs.compactMap { $0 }
    PointwiseMerging.apply(to: graph)
    #expect(graph.nodes.count == 2)
  }

  @Test(arguments: [
    ([1, -1, 1, 1] as [Int64], [1, 6, 1, 1]), ([0, 3], [2, 3]), ([2, -1, 1], [2, 3, 1]),
  ])
  func shapedConstantsAreConstants(wanted: [Int64], expected: [Int]) throws {
    let graph = Graph(name: "shape")
    let source = Self.constant(graph, "c", [1, 2, 3, 4, 5, 6], [2, 3])
    let shape = Value(name: "shape")
    shape.initializer = TensorData(int64: wanted)
    graph.initializers.append(shape)
    let (result, sum) = (Value(name: "r"), Value(name: "s"))
    graph.nodes = [
      Node(operatorType: "Reshape", inputs: [source, shape], outputs: [result]),
      Node(operatorType: "Abs", inputs: [result], outputs: [sum]),
    ]
    graph.outputs = [sum]
    ConstantShaping.apply(to: graph)
    #expect(graph.nodes.map(\.operatorType) == ["Abs"])
    let data = try #require(graph.nodes[0].inputs[0]?.constant)
    #expect(data.dimensions == expected)
    #expect(data.float32Values == [1, 2, 3, 4, 5, 6])
    #expect(graph.initializers.count == 1)
  }

  @Test(
    arguments: [[4, 2], [-1, -1], [5, -1], [0, 0, 0], [-2, 3], [.max, .max]] as [[Int64]])
  func shapesThatDoNotFitAreLeftAlone(wanted: [Int64]) {
    let graph = Graph(name: "shape")
    let source = Self.constant(graph, "c", [1, 2, 3, 4, 5, 6], [2, 3])
    let shape = Value(name: "shape")
    shape.initializer = TensorData(int64: wanted)
    graph.initializers.append(shape)
    let result = Value(name: "r")
    graph.nodes = [Node(operatorType: "Reshape", inputs: [source, shape], outputs: [result])]
    graph.outputs = [result]
    ConstantShaping.apply(to: graph)
    #expect(graph.nodes.count == 1)
  }
}
