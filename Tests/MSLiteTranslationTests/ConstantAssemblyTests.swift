import Inference
import ModelGraph
import Support
import Testing

@testable import MSLiteTranslation

/// Constants put together from others, against the engine's Concat and Slice.
@Suite struct ConstantAssemblyTests {
  private func numbers(_ extents: [Int], from first: Int = 0) -> TensorData {
    let count = extents.reduce(1, *)
    return TensorData(
      float32: (first..<first + count).map { Float($0) }, dimensions: extents)
  }

  private func graph(_ node: Node) -> Graph {
    let graph = Graph(name: "g")
    graph.initializers = node.inputs.compactMap { $0 }
    graph.nodes = [node]
    graph.outputs = node.outputs.compactMap { $0 }
    return graph
  }

  private func check(_ node: Node) throws {
    let graph = graph(node)
    var assembly = ConstantAssembly(for: graph)
    let result = assembly.result(of: node)
    let found = try #require(result)
    let model = Model(
      graph: graph, operatorSets: [.init(domain: "", version: 18)], formatVersion: 8)
    let expected = try #require(InferenceSession(model: model).run([:]).first?.data)
    #expect(found.dimensions == expected.dimensions)
    #expect(found.float32Values == expected.float32Values)
  }

  @Test(arguments: [0, 1, 2, -1])
  func partsAreJoinedAlongAnAxis(axis: Int64) throws {
    var extents = [[2, 3, 4], [2, 3, 4], [2, 3, 4]]
    for index in extents.indices { extents[index][axis < 0 ? 2 : Int(axis)] = index + 1 }
    let parts = extents.enumerated().map { index, shape in
      Value(name: "p\(index)", initializer: numbers(shape, from: 100 * index))
    }
    try check(
      Node(
        operatorType: "Concat", inputs: parts, outputs: [Value(name: "y")],
        attributes: [Attribute("axis", .int(axis))]))
  }

  @Test(arguments: [
    ([0], [2], [1], [1]), ([1, -3], [3, 4], [0, 2], [1, 2]), ([9], [-9], [1], [-2]),
    ([0, 0, 0], [1, 9, 9], [0, 1, 2], [1, 1, 1]), ([-1], [-9], [-1], [-1]),
    ([0], [9], [1], [1]),
  ])
  func partsAreCutOut(bounds: ([Int64], [Int64], [Int64], [Int64])) throws {
    let inputs = [bounds.0, bounds.1, bounds.2, bounds.3].enumerated().map { index, values in
      Value(name: "b\(index)", initializer: TensorData(int64: values))
    }
    try check(
      Node(
        operatorType: "Slice",
        inputs: [Value(name: "x", initializer: numbers([3, 4, 5]))] + inputs,
        outputs: [Value(name: "y")]))
  }

  private func isKept(_ node: Node, _ assembly: inout ConstantAssembly) -> Bool {
    assembly.result(of: node) == nil
  }

  @Test func whatDoesNotFitStays() {
    let (wide, high) = (
      Value(name: "a", initializer: numbers([2, 3])),
      Value(name: "b", initializer: numbers([3, 3]))
    )
    let node = Node(
      operatorType: "Concat", inputs: [wide, high], outputs: [Value(name: "y")],
      attributes: [Attribute("axis", .int(1))])
    var assembly = ConstantAssembly(for: graph(node))
    #expect(isKept(node, &assembly))
    node.inputs[1] = Value(name: "computed")
    #expect(isKept(node, &assembly))
    node.inputs[1] = wide
    node.setAttribute("axis", .int(5))
    #expect(isKept(node, &assembly))
  }

  /// A constant that is put beside itself 40 times over would take 2^40 times its bytes.
  @Test func doublingEnds() {
    let graph = Graph(name: "g")
    var last = Value(name: "a", initializer: numbers([64]))
    graph.initializers = [last]
    var assembly = ConstantAssembly(for: graph)
    var made = 0
    for index in 0..<40 {
      let node = Node(
        operatorType: "Concat", inputs: [last, last], outputs: [Value(name: "y\(index)")],
        attributes: [Attribute("axis", .int(0))])
      guard let data = assembly.result(of: node) else { break }
      made += data.byteCount
      last = Value(name: "y\(index)", initializer: data)
    }
    #expect(made > 0 && made <= 2 << 20)
  }
}
