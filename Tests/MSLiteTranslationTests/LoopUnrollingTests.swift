import Inference
import ModelGraph
import Support
import Testing

@testable import MSLiteTranslation

/// Loop and Scan, whose steps are written one after the other: the graph computes the same before and
/// after.
@Suite struct LoopUnrollingTests {
  private func value(
    _ name: String, _ shape: [Int], _ type: ElementType = .float32
  ) -> Value {
    let value = Value(name: name)
    value.type = .tensor(type, shape: shape.map { .fixed($0) })
    return value
  }

  private func truth(_ isTrue: Bool) -> TensorData {
    TensorData(
      elementType: .bool, dimensions: [], storage: .packed(Bytes([isTrue ? 1 : 0])))
  }

  private func scalar(_ number: Int64) -> TensorData { TensorData(int64: [number], isScalar: true) }

  private func make(_ type: String, _ inputs: [Value?], _ result: Value) -> Node {
    Node(name: result.name, operatorType: type, inputs: inputs, outputs: [result])
  }

  /// `state = state * weights + x`, a row of each state, and on as long as the step is below `last`
  /// or, if nil, always.
  private func body(_ x: Value, weights: Value, until last: Int64?) -> Graph {
    let body = Graph(name: "body")
    let (step, runs) = (value("step", [], .int64), value("runs", [], .bool))
    let state = value("state", [2])
    body.inputs = [step, runs, state]
    let (product, next, on) = (Value(name: "product"), Value(name: "next"), Value(name: "on"))
    body.nodes = [make("Mul", [state, weights], product), make("Add", [product, x], next)]
    if let last {
      let bound = Value(name: "bound", initializer: scalar(last))
      body.initializers = [bound]
      body.nodes.append(make("Less", [step, bound], on))
    } else {
      body.nodes.append(make("Identity", [runs], on))
    }
    body.outputs = [on, next, next]
    return body
  }

  private func loop(count: Int64?, until last: Int64? = nil, condition: Bool? = nil) -> Graph {
    let graph = Graph(name: "g")
    let x = value("x", [2])
    let weights = Value(name: "weights", initializer: TensorData(float32: [0.5, -2]))
    graph.inputs = [x]
    graph.initializers = [weights]
    let limit = count.map { Value(name: "count", initializer: scalar($0)) }
    let given = condition.map { Value(name: "given", initializer: truth($0)) }
    graph.initializers += [limit, given].compactMap { $0 }
    graph.outputs = [value("y", [2]), Value(name: "rows")]
    graph.nodes = [
      Node(
        name: "n", operatorType: "Loop", inputs: [limit, given, x], outputs: graph.outputs,
        attributes: [Attribute("body", .graph(body(x, weights: weights, until: last)))])
    ]
    return graph
  }

  private func run(_ graph: Graph, _ feed: TensorData) throws -> [[Float]] {
    let model = Model(
      graph: graph, operatorSets: [.init(domain: "", version: 18)], formatVersion: 8)
    return try InferenceSession(model: model).run(["x": feed]).map {
      try #require($0.data.float32Values)
    }
  }

  private func unroll(_ graph: Graph) throws {
    try ControlFlowInlining.apply(to: graph, inputShapes: [:])
    #expect(!graph.nodes.contains { ["If", "Loop", "Scan"].contains($0.operatorType) })
    let names = graph.nodes.flatMap { $0.outputs.compactMap { $0?.name } }
    #expect(Set(names).count == names.count)
  }

  @Test(
    arguments: [
      (Int64(3), nil, nil), (9, Int64(2), true), (nil, 2, true), (1, 5, true), (3, 1, nil),
    ] as [(Int64?, Int64?, Bool?)])
  func aLoopIsItsSteps(count: Int64?, last: Int64?, condition: Bool?) throws {
    let graph = loop(count: count, until: last, condition: condition)
    let feed = TensorData(float32: [3, 1])
    let expected = try run(graph, feed)
    // From 3 and 1: * 0.5 + 3 and * -2 + 1.
    let steps: [[Float]] = [[4.5, -1], [5.25, 3], [5.625, -5]]
    let made = count == 1 ? 1 : 3
    #expect(expected == [steps[made - 1], Array(steps[..<made].joined())])
    try unroll(graph)
    #expect(try run(graph, feed) == expected)
  }

  @Test func aLoopThatDoesNotRunGivesWhatItGot() throws {
    let graph = loop(count: 4, condition: false)
    graph.outputs.removeLast()
    graph.nodes[0].outputs.removeLast()
    try unroll(graph)
    #expect(try run(graph, TensorData(float32: [3, 1])) == [[3, 1]])
  }

  /// Two loops, one in the other, share the weights inside: there is one constant of them.
  @Test func constantsInsideAreThereOnce() throws {
    let graph = loop(count: 2)
    let inner = graph.nodes[0]
    let outer = Graph(name: "outer")
    let state = value("outer_state", [2])
    let own = Value(name: "own", initializer: TensorData(float32: [1, 3]))
    outer.inputs = [value("i", [], .int64), value("c", [], .bool), state]
    outer.initializers = [own]
    let (scaled, tensor) = (Value(name: "scaled"), Value(name: "tensor"))
    let on = Value(name: "outer_on")
    outer.nodes = [
      Node(
        operatorType: "Constant", outputs: [tensor],
        attributes: [Attribute("value", .tensor(TensorData(float32: [2, 0.25])))]),
      make("Mul", [state, own], scaled),
      make("Add", [scaled, tensor], graph.outputs[0]),
      make("Identity", [outer.inputs[1]], on),
    ]
    inner.inputs[2] = graph.outputs[0]
    inner.outputs = [Value(name: "inner_result"), Value(name: "inner_rows")]
    outer.nodes.append(inner)
    outer.outputs = [on, inner.outputs[0]].compactMap { $0 }
    let result = value("z", [2])
    graph.nodes = [
      Node(
        name: "outer", operatorType: "Loop",
        inputs: [Value(name: "three", initializer: scalar(3)), nil, graph.inputs[0]],
        outputs: [result],
        attributes: [Attribute("body", .graph(outer))])
    ]
    graph.initializers += graph.nodes[0].inputs.prefix(1).compactMap { $0 }
    graph.outputs = [result]
    let feed = TensorData(float32: [3, 1])
    let expected = try run(graph, feed)
    try unroll(graph)
    #expect(try run(graph, feed) == expected)
    let floats = graph.constants.filter { $0.constant?.elementType == .float32 }
    #expect(Set(floats.map(\.name)) == ["weights", "own", "tensor"])
    #expect(floats.count == 3)
    #expect(graph.nodes.count { $0.operatorType == "Mul" } == 9)
  }

  @Test func aScanGoesEitherWayAlongItsAxes() throws {
    let graph = Graph(name: "g")
    let x = value("x", [2, 3])
    let first = Value(name: "first", initializer: TensorData(float32: [1, 2]))
    let body = Graph(name: "body")
    body.inputs = [value("state", [2]), value("column", [2])]
    let (next, row) = (Value(name: "next"), Value(name: "row"))
    body.nodes = [
      make("Add", [body.inputs[0], body.inputs[1]], next),
      make("Mul", [next, body.inputs[1]], row),
    ]
    body.outputs = [next, row]
    graph.inputs = [x]
    graph.initializers = [first]
    graph.outputs = [value("y", [2]), value("rows", [2, 3])]
    graph.nodes = [
      Node(
        name: "n", operatorType: "Scan", inputs: [first, x], outputs: graph.outputs,
        attributes: [
          Attribute("body", .graph(body)), Attribute("num_scan_inputs", .int(1)),
          Attribute("scan_input_axes", .ints([-1])),
          Attribute("scan_input_directions", .ints([1])),
          Attribute("scan_output_axes", .ints([1])),
          Attribute("scan_output_directions", .ints([1])),
        ])
    ]
    let feed = TensorData(float32: [1, 2, 3, 4, 5, 6], dimensions: [2, 3])
    // States from the last column on: (4, 8), (6, 13), (7, 17).
    let expected: [[Float]] = [[7, 17], [7, 12, 12, 68, 65, 48]]
    #expect(try run(graph, feed) == expected)
    try unroll(graph)
    #expect(try run(graph, feed) == expected)
  }

  private func reason(_ graph: Graph) -> String? {
    do throws(Failure) {
      try ControlFlowInlining.apply(to: graph, inputShapes: [:])
      return nil
    } catch { return error.diagnostics.first?.notes.first }
  }

  @Test func stepsThatAreNotKnownAreRefused() {
    #expect(reason(loop(count: 257)) == "it has more than 256 steps")
    #expect(reason(loop(count: nil)) == "neither a count nor a condition ends it")
    #expect(reason(loop(count: nil, condition: true)) == "it has more than 256 steps")
    #expect(reason(loop(count: 0)) == "it never runs, and 'rows' is empty")
    let open = loop(count: 3)
    open.inputs.append(open.initializers.remove(at: 1))
    open.inputs[1].initializer = nil
    #expect(reason(open) == "how often it runs isn't known before the model runs")
    let fed = loop(count: 3, condition: true)
    fed.inputs.append(fed.initializers.remove(at: 2))
    fed.inputs[1].initializer = nil
    #expect(
      reason(fed) == "whether it ends after 0 steps isn't known before the model runs")
    let lacking = loop(count: 3)
    lacking.nodes[0].attributes = []
    #expect(reason(lacking) == "its body is missing")
    let other = loop(count: 3)
    other.nodes[0].inputs.removeLast()
    #expect(reason(other) == "its inputs and results aren't those of its body")
  }
}
