import Inference
import ModelFormats
import ModelGraph
import Support
import Testing

@testable import MSLiteTranslation

/// Operators that are written in others, and those that have no form.
@Suite struct RewriteTests {
  private func graph(
    _ type: String, _ inputs: [(String, [Int]?)], constants: [TensorData] = [],
    _ attributes: [Attribute] = [], outputs: Int = 1
  ) -> Graph {
    let graph = Graph()
    for (name, shape) in inputs {
      let value = Value(name: name)
      value.type = .tensor(.float32, shape: shape?.map { .fixed($0) })
      graph.inputs.append(value)
    }
    for (index, data) in constants.enumerated() {
      let value = Value(name: "c\(index)")
      value.initializer = data
      graph.initializers.append(value)
    }
    graph.outputs = (0..<outputs).map { Value(name: "y\($0)") }
    graph.nodes = [
      Node(
        name: "n", operatorType: type, inputs: graph.inputs + graph.initializers,
        outputs: graph.outputs, attributes: attributes)
    ]
    return graph
  }

  private func operators(
    _ graph: Graph, version: Int = 18, inputShapes: [String: [Int]] = [:]
  ) throws(Failure) -> [String] {
    let model = Model(
      graph: graph, operatorSets: [.init(domain: "", version: version)], formatVersion: 8)
    try MSLiteTranslator.prepare(model, inputShapes: inputShapes)
    return try MSLiteTranslator.translate(model, options: .init(inputShapes: inputShapes)).nodes
      .map(\.primitive.name)
  }

  private func weights(_ extents: [Int]) -> TensorData {
    let count = extents.reduce(1, *)
    return TensorData(float32: (0..<count).map { Float($0 % 5) - 2 }, dimensions: extents)
  }

  private func layer(
    _ type: String, gates: Int, batch: Int, steps: Int?, _ attributes: [Attribute] = []
  ) -> Graph {
    let graph = graph(
      type, [("x", steps.map { [$0, batch, 3] })],
      constants: [
        weights([1, gates * 2, 3]), weights([1, gates * 2, 2]), weights([1, gates * 4]),
      ], [Attribute("hidden_size", .int(2))] + attributes, outputs: 2)
    return graph
  }

  @Test func theFormatsOwnGRUIsOneNode() throws {
    #expect(try operators(layer("GRU", gates: 3, batch: 1, steps: 4)) == ["GRU"])
  }

  @Test(arguments: [(1, 1, "forward"), (2, 0, "forward"), (1, 0, "reverse")])
  func otherGRUsAreWrittenStepByStep(batch: Int, after: Int64, direction: String) throws {
    let attributes = [
      Attribute("linear_before_reset", .int(after)),
      Attribute("direction", .string(Array(direction.utf8))),
    ]
    let found = try operators(layer("GRU", gates: 3, batch: batch, steps: 4, attributes))
    #expect(!found.contains("GRU"))
    // Three products with the whole input, three with the state for all steps but the first.
    #expect(found.count { $0 == "MatMulFusion" } == 3 + 3 * 3)
  }

  @Test(arguments: [nil, 257]) func howManyStepsIsToldAndLimited(steps: Int?) throws {
    #expect(throws: Failure.self) {
      try operators(layer("RNN", gates: 1, batch: 1, steps: steps))
    }
  }

  @Test func theLengthMayBeStated() throws {
    let graph = layer("RNN", gates: 1, batch: 1, steps: nil)
    let found = try operators(graph, inputShapes: ["x": [2, 1, 3]])
    #expect(found.count { $0 == "MatMulFusion" } == 2)
  }

  @Test(arguments: [
    ("bij,bjk->bik", [[2, 3, 4], [2, 4, 5]], ["MatMulFusion"]),
    ("ij,jk", [[3, 4], [4, 5]], ["MatMulFusion"]),
    ("ij,kj->ik", [[3, 4], [5, 4]], ["MatMulFusion"]),
    ("ij,ij->ij", [[3, 4], [3, 4]], ["MulFusion"]),
    ("ij->ji", [[3, 4]], ["Transpose"]),
    ("ij,jkl->ikl", [[3, 4], [4, 5, 6]], ["Reshape", "MatMulFusion", "Reshape"]),
    ("ij,jk->i", [[3, 4], [4, 5]], ["ReduceFusion", "Reshape", "MatMulFusion", "Reshape"]),
  ])
  func equationsBecomeOneProduct(
    equation: String, shapes: [[Int]], expected: [String]
  ) throws {
    let graph = graph(
      "Einsum", shapes.enumerated().map { ("x\($0)", $1) },
      [Attribute("equation", .string(Array(equation.utf8)))])
    #expect(try operators(graph) == expected)
  }

  @Test(arguments: [
    "ii->i", "ij,jk,kl->il", "i...->i", "ij,jk->ix", "", "ij->>j", "a-b", "ij,jk->ijj",
  ])
  func equationsOfMoreAreRefused(equation: String) {
    let count = equation.filter { $0 == "," }.count + 1
    let graph = graph(
      "Einsum", (0..<count).map { ("x\($0)", [3, 3]) },
      [Attribute("equation", .string(Array(equation.utf8)))])
    #expect(throws: Failure.self) { try operators(graph) }
  }

  @Test(arguments: [
    "Hardmax", "ConvTranspose", "Gemm", "Loop", "LRN", "GroupNormalization", "OneHot", "TopK",
    "Compress", "If",
    "ScatterElements", "DepthToSpace", "GRU", "Trilu", "CumSum",
  ])
  func whatLacksInputsOrSettingsIsRefused(type: String) {
    #expect(throws: Failure.self) { try operators(graph(type, [("x", nil)])) }
  }

  /// What the graph computes before its operators are written in others, and after.
  private func results(_ graph: Graph, _ feed: TensorData) throws -> [[Float]] {
    func run() throws -> [Float] {
      let model = Model(
        graph: graph, operatorSets: [.init(domain: "", version: 18)], formatVersion: 8)
      let results = try InferenceSession(model: model).run(["x": feed])
      return try #require(results.first?.data.float32Values)
    }
    let before = try run()
    try OperatorRewriting.apply(to: graph, version: 18, inputShapes: [:])
    return [before, try run()]
  }

  @Test(arguments: [(Float(-2), Float(0.5)), (1, 3), (4, 0), (0.25, 1)])
  func factorsOfAProductAreAppliedToWhatItReads(alpha: Float, beta: Float) throws {
    let graph = graph(
      "Gemm", [("x", [2, 3])], constants: [weights([4, 3]), weights([4])],
      [
        Attribute("alpha", .float(alpha)), Attribute("beta", .float(beta)),
        Attribute("transB", .int(1)),
      ])
    let found = try results(
      graph, TensorData(float32: [1, 2, 3, 4, 5, 6], dimensions: [2, 3]))
    #expect(found[0] == found[1])
    let product = try #require(graph.nodes.first { $0.operatorType == "Gemm" })
    #expect(product.name == "n" && product.float("alpha") == nil && product.float("beta") == nil)
  }

  @Test func groupsOfATransposedConvolutionAreWrittenOneByOne() throws {
    let graph = graph(
      "ConvTranspose", [("x", [1, 4, 3, 3])], constants: [weights([4, 3, 2, 2]), weights([6])],
      [Attribute("group", .int(2)), Attribute("strides", .ints([2, 1]))])
    let found = try results(graph, weights([1, 4, 3, 3]))
    #expect(found[0] == found[1] && found[0].count == 144)
    #expect(graph.nodes.count { $0.operatorType == "ConvTranspose" } == 2)
    #expect(graph.nodes.last?.operatorType == "Concat")
    let depthwise = self.graph(
      "ConvTranspose", [("x", [1, 4, 3, 3])], constants: [weights([4, 1, 2, 2])],
      [Attribute("group", .int(4))])
    _ = try results(depthwise, weights([1, 4, 3, 3]))
    #expect(depthwise.nodes.map(\.operatorType) == ["ConvTranspose"])
  }

  @Test(arguments: [(-1, [0, 1, 0, 1, 0, 0]), (0, [0, 1, 1, 1, 0, 0])] as [(Int64, [Float])])
  func theFirstOfTheGreatestIsOne(axis: Int64, expected: [Float]) throws {
    let graph = graph("Hardmax", [("x", [2, 3])], [Attribute("axis", .int(axis))])
    let found = try results(
      graph, TensorData(float32: [1, 7, 5, 3, 2, 3], dimensions: [2, 3]))
    #expect(found == [expected, expected])
  }

  private func choice(_ elseExtents: [Int], condition: TensorData?) -> Graph {
    let graph = graph("If", [("x", [2, 3])])
    let node = graph.nodes[0]
    let truth = Value(name: "is")
    truth.initializer = condition
    if condition == nil {
      truth.type = .tensor(.bool, shape: [])
      graph.inputs.append(truth)
    } else {
      graph.initializers.append(truth)
    }
    func branch(_ type: String, _ extents: [Int]) -> Graph {
      let branch = Graph(name: type)
      let shape = Value(name: "shape")
      shape.initializer = TensorData(int64: extents.map { Int64($0) })
      branch.initializers = [shape]
      let (moved, result) = (Value(name: "moved"), Value(name: "result"))
      branch.nodes = [
        Node(operatorType: "Reshape", inputs: [graph.inputs[0], shape], outputs: [moved]),
        Node(operatorType: type, inputs: [moved], outputs: [result]),
      ]
      branch.outputs = [result]
      return branch
    }
    node.inputs = [truth]
    node.attributes = [
      Attribute("then_branch", .graph(branch("Relu", [3, 2]))),
      Attribute("else_branch", .graph(branch("Abs", elseExtents))),
    ]
    return graph
  }

  @Test func bothBranchesAreComputedAndOneIsChosen() throws {
    let found = try operators(choice([3, 2], condition: nil))
    #expect(found.contains("Activation") && found.contains("Abs") && found.contains("Where"))
  }

  @Test func aKnownConditionLeavesOneBranch() throws {
    let yes = TensorData(elementType: .bool, dimensions: [], storage: .packed(Bytes([1])))
    #expect(try operators(choice([6], condition: yes)) == ["Reshape", "Activation"])
  }

  @Test func branchesOfDifferentShapesAreRefused() {
    #expect(throws: Failure.self) { try operators(choice([6], condition: nil)) }
  }
}
