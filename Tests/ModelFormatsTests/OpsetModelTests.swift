import ModelGraph
import Support
import Testing

@testable import ModelFormats

@Suite struct OpsetModelTests {
  private func model(_ graph: Graph, _ version: Int, formatVersion: Int = 8) -> Model {
    Model(
      graph: graph, operatorSets: [OperatorSet(domain: "", version: version)],
      formatVersion: formatVersion)
  }

  private func squeeze(_ input: Value, _ output: String) -> Node {
    Node(
      operatorType: "Squeeze", inputs: [input], outputs: [Value(name: output)],
      attributes: [Attribute("axes", .ints([0]))])
  }

  @Test func modelOfThatVersionIsLeftAlone() throws {
    let graph = Graph()
    graph.nodes = [squeeze(.float("x"), "y")]
    let unchanged = model(graph, 12, formatVersion: 3)
    try OpsetUpgrade.raise(unchanged, to: 11)
    #expect(graph.operators == ["Squeeze"])
    #expect(unchanged.standardOperatorVersion == 12)
    #expect(unchanged.formatVersion == 3)
  }

  @Test(arguments: [1, 6, 30])
  func anyVersionIsFineWhenNothingIsAsked(version: Int) throws {
    let graph = Graph()
    graph.nodes = [squeeze(.float("x"), "y")]
    try OpsetUpgrade.raise(model(graph, version), to: version)
    #expect(graph.operators == ["Squeeze"])
  }

  @Test func tooOldVersionIsRefused() {
    let error = #expect(throws: Failure.self) {
      let graph = Graph()
      graph.nodes = [squeeze(.float("x"), "y")]
      try OpsetUpgrade.raise(model(graph, 6), to: 13)
    }
    #expect(error?.diagnostics.first?.code == .opsetUnsupported)
    #expect(error?.diagnostics.first?.message.contains("version 6") == true)
  }

  @Test func modelWithoutStandardOperatorsGetsTheSet() throws {
    let graph = Graph()
    graph.nodes = [Node(operatorType: "Thing", domain: "acme")]
    let custom = Model(
      graph: graph, operatorSets: [OperatorSet(domain: "acme", version: 1)], formatVersion: 8)
    try OpsetUpgrade.raise(custom, to: 13)
    #expect(custom.standardOperatorVersion == 13)
    #expect(custom.operatorSets.first == OperatorSet(domain: "acme", version: 1))
  }

  @Test func nodesOfOtherDomainsAreLeftAlone() throws {
    let graph = Graph()
    let node = squeeze(.float("x"), "y")
    node.domain = "acme"
    graph.nodes = [node]
    try OpsetUpgrade.raise(model(graph, 11), to: 13)
    #expect(node.ints("axes") == [0])
  }

  @Test func branchesAreRaisedAndReadOuterValues() throws {
    let outer = Value.float("x", [1, 2])
    let inner = Graph(name: "then")
    let node = squeeze(outer, "t")
    inner.nodes = [node]
    inner.outputs = node.outputs.compactMap { $0 }
    let graph = Graph()
    graph.inputs = [outer]
    graph.nodes = [
      Node(
        operatorType: "If", inputs: [Value(name: "c")], outputs: [Value(name: "y")],
        attributes: [Attribute("then_branch", .graph(inner))])
    ]
    try OpsetUpgrade.raise(model(graph, 11), to: 13)
    #expect(inner.nodes.map(\.operatorType) == ["Constant", "Squeeze"])
    #expect(node.integers(1) == [0])
    #expect(node.inputs[0] === outer)
    #expect(graph.nodes.count == 1)
  }

  @Test func functionsAreRaisedFromTheirOwnVersion() throws {
    func function(_ version: Int) -> Function {
      let body = Graph()
      body.inputs = [Value(name: "x")]
      body.nodes = [squeeze(body.inputs[0], "y\(version)")]
      return Function(
        body: body,
        operatorSets: [
          OperatorSet(domain: "acme", version: 1), OperatorSet(domain: "ai.onnx", version: version),
        ], carried: [])
    }
    let old = function(11)
    let new = function(14)
    let whole = model(Graph(), 12)
    whole.functions = [old, new]
    try OpsetUpgrade.raise(whole, to: 13)
    #expect(old.body.nodes.map(\.operatorType) == ["Constant", "Squeeze"])
    #expect(old.operatorSets.map(\.version) == [1, 13])
    #expect(new.body.nodes.map(\.operatorType) == ["Squeeze"])
    #expect(new.operatorSets.map(\.version) == [1, 14])
  }

  @Test func typeIsFoundThroughProducers() throws {
    let graph = Graph()
    let weights = Value.constant(
      "w", TensorData(elementType: .float16, dimensions: [1], storage: .packed(Bytes([0, 0]))))
    let product = Value(name: "p")
    let active = Value(name: "a")
    let clip = Node(
      name: "n", operatorType: "Clip", inputs: [active], outputs: [Value(name: "y")],
      attributes: [Attribute("min", .float(0))])
    graph.initializers = [weights]
    graph.nodes = [
      Node(operatorType: "Mul", inputs: [Value(name: "x"), weights], outputs: [product]),
      Node(operatorType: "Relu", inputs: [product], outputs: [active]), clip,
    ]
    try OpsetUpgrade.raise(model(graph, 10), to: 13)
    #expect(clip.inputs[1]?.constant?.elementType == .float16)
  }

  @Test func initializersOfEarlyFilesAreNoLongerInputs() throws {
    let graph = Graph()
    let weights = Value.constant("w", TensorData(float32: [1]))
    graph.inputs = [.float("x"), weights]
    graph.initializers = [weights]
    let early = model(graph, 8, formatVersion: 3)
    try OpsetUpgrade.raise(early, to: 13)
    #expect(graph.inputs.map(\.name) == ["x"])
    #expect(early.formatVersion == 7)
  }

  @Test func overridableInitializersStayInputs() throws {
    let graph = Graph()
    let weights = Value.constant("w", TensorData(float32: [1]))
    graph.inputs = [weights]
    graph.initializers = [weights]
    try OpsetUpgrade.raise(model(graph, 12, formatVersion: 4), to: 13)
    #expect(graph.inputs.count == 1)
  }

  @Test func formatFollowsTheOperators() {
    let versions = [8, 9, 10, 11, 12, 13, 14, 15, 18, 19, 20, 21, 22]
    #expect(
      versions.map(OpsetUpgrade.formatVersion(for:))
        == [3, 4, 5, 6, 7, 7, 7, 8, 8, 9, 9, 10, 10])
  }

  @Test func everyStepIsWithinTheSupportedVersions() {
    for version in OpsetSteps.table.keys {
      #expect(version > OpsetUpgrade.oldestVersion && version <= OpsetUpgrade.newestVersion)
    }
  }
}
