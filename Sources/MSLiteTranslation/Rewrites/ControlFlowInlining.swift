import ModelGraph
import Support

/// Takes the graphs inside If, Loop and Scan into the graph, which the format has no nodes for: the
/// branch that is meant where that is known, else both and a choice of their results; the steps of a
/// loop one after the other, where their number is known before the model runs.
struct ControlFlowInlining {
  /// Graphs within graphs, at most.
  private static let depthLimit = 16
  /// Nodes that may be taken from graphs inside others: loops in loops multiply.
  private static let nodeLimit = 1 << 16

  private let graph: Graph
  private(set) var facts: FactTable
  private var names: UniqueNames
  private var nodes: [Node] = []
  private var taken = 0
  private var depth = 0
  private var adopted: Set<ObjectIdentifier> = []
  private var choices: [(Node, choice: Node)] = []

  /// - Parameter inputShapes: shapes of inputs that the model leaves open, by name.
  /// - Throws: an If whose branches' results differ in shape, or a loop whose steps aren't known, by
  ///   name.
  /// - Complexity: O(nodes), each step's counted.
  static func apply(to graph: Graph, inputShapes: [String: [Int]]) throws(Failure) {
    guard graph.nodes.contains(where: \.holdsGraph) else { return }
    var inlining = ControlFlowInlining(graph, inputShapes)
    for node in graph.nodes { try inlining.take(node) }
    graph.nodes = inlining.nodes
    try inlining.checkChoices()
  }

  private init(_ graph: Graph, _ inputShapes: [String: [Int]]) {
    self.graph = graph
    facts = FactTable(sourcesOf: graph, inputShapes: inputShapes)
    names = UniqueNames(
      besides: graph.nodes.flatMap { $0.outputs.compactMap { $0 } } + graph.inputs
        + graph.initializers)
  }

  /// Results are chosen element by element, so they have to be of one shape.
  private func checkChoices() throws(Failure) {
    for (node, choice) in choices {
      let results = choice.inputs.dropFirst().map { $0.map(facts.of) ?? ValueFacts() }
      guard let shape = results[0].shape, !shape.contains(nil), results[1].shape == shape else {
        throw node.refused("its branches' results may have different shapes")
      }
    }
  }

  /// Takes a node, or what is inside it.
  mutating func take(_ node: Node) throws(Failure) {
    guard node.holdsGraph else { return append(node) }
    depth += 1
    defer { depth -= 1 }
    guard depth <= ControlFlowInlining.depthLimit else {
      throw node.refused("it has more than \(ControlFlowInlining.depthLimit) levels of graphs")
    }
    switch node.operatorType {
    case "If": try takeBranches(of: node)
    case "Loop": try takeSteps(ofLoop: node)
    default: try takeSteps(ofScan: node)
    }
  }

  /// Takes a node of a graph inside `owner`; its results get names that nothing has yet. Constants,
  /// which steps share, are taken once.
  mutating func take(_ node: Node, of owner: Node) throws(Failure) {
    taken += 1
    guard taken <= ControlFlowInlining.nodeLimit else {
      throw owner.refused("its steps have more than \(ControlFlowInlining.nodeLimit) nodes")
    }
    if node.isONNX("Constant"), !adopted.insert(ObjectIdentifier(node)).inserted { return }
    for case let output? in node.outputs { output.name = names.make(output.name) }
    try take(node)
  }

  /// Appends a node that takes part in another's place.
  mutating func append(_ node: Node) {
    facts.follow(node)
    nodes.append(node)
  }

  /// Appends a node with one result.
  mutating func add(
    _ type: String, _ inputs: [Value], _ attributes: [Attribute] = [], named base: String
  ) -> Value {
    let result = Value(name: names.make(base))
    append(
      Node(
        name: result.name, operatorType: type, inputs: inputs, outputs: [result],
        attributes: attributes))
    return result
  }

  /// Makes a value one of a node's results, where that is read.
  mutating func finish(
    _ node: Node, _ index: Int, _ type: String, _ inputs: [Value], _ attributes: [Attribute] = []
  ) {
    guard index < node.outputs.count, let output = node.outputs[index] else { return }
    let last = Node(
      name: index == 0 ? node.name : output.name, operatorType: type, inputs: inputs,
      outputs: [output], attributes: attributes)
    append(last)
    if type == "Where" { choices.append((node, choice: last)) }
  }

  /// A constant.
  mutating func constant(_ data: TensorData, named base: String) -> Value {
    let value = Value(name: names.make(base), initializer: data)
    adopt([value])
    return value
  }

  /// Moves constants of a graph inside to this one, once.
  mutating func adopt(_ constants: [Value], renaming: Bool = false) {
    for value in constants where adopted.insert(ObjectIdentifier(value)).inserted {
      if renaming { value.name = names.make(value.name) }
      graph.initializers.append(value)
      facts.note(value)
    }
  }

  /// Whether a value is true; nil where that isn't known before the model runs.
  func truth(_ value: Value) -> Bool? { facts.of(value).integers?.first.map { $0 != 0 } }
}

extension Node {
  /// Whether it runs graphs inside it.
  fileprivate var holdsGraph: Bool { isStandard && ["If", "Loop", "Scan"].contains(operatorType) }
}
