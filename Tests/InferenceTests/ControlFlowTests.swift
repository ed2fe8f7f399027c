import ModelGraph
import Support
import Testing

@testable import Inference

@Suite struct ControlFlowTests {
  private func node(
    _ type: String, _ inputs: [Value?], _ outputs: [Value], _ attributes: [Attribute] = []
  ) -> Node {
    Node(
      name: type, operatorType: type, domain: "", inputs: inputs, outputs: outputs,
      attributes: attributes)
  }

  private func run(_ graph: Graph, _ feeds: [String: Tensor], version: Int = 17) throws -> [Tensor]
  {
    let model = Model(
      graph: graph, operatorSets: [OperatorSet(domain: "", version: version)], formatVersion: 8)
    return try InferenceSession(model: model).run(values: feeds.mapValues { .tensor($0) })
      .compactMap { $0.value.tensor }
  }

  /// state, element -> state · element, state · element
  private func productBody(extraInputs: [Value] = [], extraOutputs: [Value] = []) -> Graph {
    let body = Graph(name: "body")
    let (state, element) = (Value(name: "state"), Value(name: "element"))
    let (next, copy) = (Value(name: "next"), Value(name: "copy"))
    body.nodes = [
      node("Mul", [state, element], [next]), node("Identity", [next], [copy]),
    ]
    body.inputs = extraInputs + [state, element]
    body.outputs = extraOutputs + [next, copy]
    return body
  }

  @Test func aScanHandsItsStateOn() throws {
    let graph = Graph(name: "g")
    let (first, sequence) = (Value(name: "first"), Value(name: "sequence"))
    let (last, all) = (Value(name: "last"), Value(name: "all"))
    graph.inputs = [first, sequence]
    graph.outputs = [last, all]
    graph.nodes = [
      node(
        "Scan", [first, sequence], [last, all],
        [
          Attribute("num_scan_inputs", .int(1)), Attribute("body", .graph(productBody())),
          Attribute("scan_input_axes", .ints([1])), Attribute("scan_output_axes", .ints([1])),
          Attribute("scan_input_directions", .ints([1])),
          Attribute("scan_output_directions", .ints([1])),
        ])
    ]
    let results = try run(
      graph,
      [
        "first": Tensor([2], [Float(1), 10]),
        "sequence": Tensor([2, 3], [Float(1), 2, 3, 4, 5, 6]),
      ])
    #expect(results[0].array(Float.self) == [6, 1200])
    #expect(results[1].shape == [2, 3])
    #expect(results[1].array(Float.self) == [6, 6, 3, 1200, 300, 60])
  }

  @Test func aScanOfVersionEightTakesLengths() throws {
    let graph = Graph(name: "g")
    let (first, sequence) = (Value(name: "first"), Value(name: "sequence"))
    let (last, all) = (Value(name: "last"), Value(name: "all"))
    let lengths = Value(name: "lengths", initializer: TensorData(int64: [2, 1]))
    graph.inputs = [first, sequence]
    graph.outputs = [last, all]
    graph.initializers = [lengths]
    graph.nodes = [
      node(
        "Scan", [lengths, first, sequence], [last, all],
        [Attribute("num_scan_inputs", .int(1)), Attribute("body", .graph(productBody()))])
    ]
    let results = try run(
      graph,
      [
        "first": Tensor([2, 1], [Float(1), 10]),
        "sequence": Tensor([2, 2, 1], [Float(2), 3, 4, 5]),
      ], version: 8)
    #expect(results[0].array(Float.self) == [6, 40])
    #expect(results[1].array(Float.self) == [2, 6, 40, 0])
  }

  /// A loop that multiplies by a value from around it.
  private func loop(limit: Value?, condition: Value?, goesOn: Bool) -> Graph {
    let graph = Graph(name: "g")
    let (start, factor) = (Value(name: "start"), Value(name: "factor"))
    let (last, all) = (Value(name: "last"), Value(name: "all"))
    let body = Graph(name: "body")
    let (turn, before, state) = (Value(name: "turn"), Value(name: "before"), Value(name: "state"))
    let (next, copy) = (Value(name: "next"), Value(name: "copy"))
    let after = Value(
      name: "after",
      initializer:
        TensorData(elementType: .bool, dimensions: [], storage: .packed(Bytes([goesOn ? 1 : 0]))))
    body.initializers = [after]
    body.inputs = [turn, before, state]
    body.nodes = [node("Mul", [state, factor], [next]), node("Identity", [state], [copy])]
    body.outputs = [after, next, copy]
    graph.inputs = [start, factor]
    graph.initializers = [limit, condition].compactMap { $0 }
    graph.outputs = [last, all]
    graph.nodes = [
      node("Loop", [limit, condition, start], [last, all], [Attribute("body", .graph(body))])
    ]
    return graph
  }

  @Test func aLoopEndsByCountOrByCondition() throws {
    let feeds = ["start": Tensor([], [Float(1)]), "factor": Tensor([], [Float(3)])]
    let three = Value(name: "limit", initializer: TensorData(int64: [3], isScalar: true))
    let truth = Value(
      name: "truth",
      initializer: TensorData(elementType: .bool, dimensions: [], storage: .packed(Bytes([1]))))
    var results = try run(loop(limit: three, condition: nil, goesOn: false), feeds)
    #expect(results[0].array(Float.self) == [27])
    #expect(results[1].array(Float.self) == [1, 3, 9])
    results = try run(loop(limit: three, condition: truth, goesOn: false), feeds)
    #expect(results[1].array(Float.self) == [1])
    results = try run(loop(limit: nil, condition: truth, goesOn: false), feeds)
    #expect(results[0].array(Float.self) == [3])
    let never = Value(name: "limit", initializer: TensorData(int64: [-1], isScalar: true))
    results = try run(loop(limit: never, condition: truth, goesOn: true), feeds)
    #expect(results[0].array(Float.self) == [1])
    #expect(results[1].count == 0)
    let endless = loop(limit: nil, condition: nil, goesOn: true)
    #expect(throws: Failure.self) { try run(endless, feeds) }
  }

  @Test(arguments: [true, false])
  func onlyTheChosenBranchRuns(_ choice: Bool) throws {
    let graph = Graph(name: "g")
    let (condition, input, output) = (Value(name: "c"), Value(name: "x"), Value(name: "y"))
    func branch(_ type: String, _ shape: [Int64]) -> Graph {
      let result = Value(name: type)
      let inner = Graph(name: type)
      let target = Value(name: "shape", initializer: TensorData(int64: shape))
      inner.initializers = [target]
      inner.nodes = [
        node("Reshape", [input, target], [result])
      ]
      inner.outputs = [result]
      return inner
    }
    graph.inputs = [condition, input]
    graph.outputs = [output]
    graph.nodes = [
      node(
        "If", [condition], [output],
        [
          Attribute("then_branch", .graph(branch("yes", [2, 1]))),
          Attribute("else_branch", .graph(branch("no", [1, 2]))),
        ])
    ]
    let result = try run(
      graph, ["c": Tensor([], [Truth(choice)]), "x": Tensor([2], [Float(1), 2])])
    #expect(result[0].shape == (choice ? [2, 1] : [1, 2]))
  }
}
