import GraphPasses
import ModelGraph
import Testing

@Suite struct PointwiseJoiningTests {
  /// A convolution of one point from two channels to `inner`, then one to a single channel.
  private func graph(inner: Int, attributes: [Attribute] = []) -> Graph {
    let graph = Graph(name: "test")
    let (x, y, z) = (Value(name: "x"), Value(name: "y"), Value(name: "z"))
    func constant(_ name: String, _ values: [Float], _ dimensions: [Int]) -> Value {
      let value = Value(name: name)
      value.initializer = TensorData(float32: values, dimensions: dimensions)
      graph.initializers.append(value)
      return value
    }
    let a = constant("a", (0..<2 * inner).map { Float($0 + 1) }, [inner, 2, 1, 1])
    let offset = constant("offset", (0..<inner).map { Float(10 * ($0 + 1)) }, [inner])
    let b = constant("b", (0..<inner).map { Float($0 + 2) }, [1, inner, 1, 1])
    graph.inputs = [x]
    graph.nodes = [
      Node(
        name: "first", operatorType: "Conv", inputs: [x, a, offset], outputs: [y],
        attributes: attributes),
      Node(name: "second", operatorType: "Conv", inputs: [y, b], outputs: [z]),
    ]
    graph.outputs = [z]
    return graph
  }

  @Test func twoBecomeTheirProduct() throws {
    let graph = graph(inner: 2)
    #expect(PointwiseJoining.apply(to: graph) == 1)
    let node = try #require(graph.nodes.first)
    #expect(graph.nodes.count == 1 && node.name == "second")
    // [2 3] [[1 2] [3 4]] and [2 3] [10 20].
    #expect(node.inputs[1]?.constant?.float32Values == [11, 16])
    #expect(node.inputs[2]?.constant?.float32Values == [80])
    #expect(node.inputs[0]?.name == "x")
    #expect(graph.initializers.count == 2)
  }

  @Test func othersStay() {
    let strided = graph(inner: 2, attributes: [Attribute("strides", .ints([2, 2]))])
    #expect(PointwiseJoining.apply(to: strided) == 0)
    let padded = graph(inner: 2, attributes: [Attribute("pads", .ints([0, 0, 1, 1]))])
    #expect(PointwiseJoining.apply(to: padded) == 0)
    let shared = graph(inner: 2)
    shared.outputs += shared.nodes[0].outputs.compactMap { $0 }
    #expect(PointwiseJoining.apply(to: shared) == 0)
  }
}
