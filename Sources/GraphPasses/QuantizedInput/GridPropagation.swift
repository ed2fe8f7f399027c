import ModelGraph

/// Lets what is moved keep its parameters: an operator that only moves elements has input and result
/// on the same grid, where an operator on integers stands at the other end.
struct GridPropagation {
  private let graph: Graph
  private let uses: GraphUses
  /// Values that an operator with integer weights reads, maybe moved.
  private var leading: Set<ObjectIdentifier> = []
  /// Values that an operator with integer weights makes, or that have parameters, maybe moved.
  private var coming: Set<ObjectIdentifier> = []
  private var count = 0

  /// Gives parameters to inputs and results of moving operators that have none.
  ///
  /// - Returns: how many values got parameters.
  /// - Complexity: O(edges).
  static func apply(to graph: Graph) -> Int {
    var pass = GridPropagation(graph: graph, uses: GraphUses(graph))
    for node in graph.nodes { pass.forward(node) }
    for node in graph.nodes.reversed() { pass.backward(node) }
    return pass.count
  }

  private init(graph: Graph, uses: GraphUses) {
    self.graph = graph
    self.uses = uses
    for node in graph.nodes.reversed() {
      if let (moved, result) = ends(of: node) {
        if leading.contains(ObjectIdentifier(result)) {
          leading.formUnion(moved.map(ObjectIdentifier.init))
        }
      } else if GridPropagation.hasIntegers(node), let input = node.inputs[0] {
        leading.insert(ObjectIdentifier(input))
      }
    }
    for node in graph.nodes {
      let comes =
        if let (moved, _) = ends(of: node) {
          moved.contains { $0.activation != nil || coming.contains(ObjectIdentifier($0)) }
        } else {
          GridPropagation.hasIntegers(node)
        }
      if comes { coming.formUnion(node.outputs.compactMap { $0.map(ObjectIdentifier.init) }) }
    }
  }

  /// Whether a node computes with integer weights.
  private static func hasIntegers(_ node: Node) -> Bool {
    node.inputs.dropFirst().contains { $0?.quantized != nil }
  }

  /// What a moving node moves, and what it makes.
  private func ends(of node: Node) -> (moved: [Value], result: Value)? {
    guard node.isStandard, PairReading.movers.contains(node.operatorType),
      node.outputs.count == 1, let result = node.outputs[0], result.constant == nil
    else { return nil }
    let moved =
      (node.operatorType == "Concat" ? node.inputs : Array(node.inputs.prefix(1)))
      .compactMap { $0 }
    return moved.isEmpty || moved.contains { $0.constant != nil } ? nil : (moved, result)
  }

  private mutating func forward(_ node: Node) {
    guard let (moved, result) = ends(of: node), result.activation == nil,
      let first = moved[0].activation,
      moved.allSatisfy({ GridPropagation.reads(node, $0, like: first) }),
      leading.contains(ObjectIdentifier(result))
    else { return }
    give(result, first, to: .all)
  }

  private mutating func backward(_ node: Node) {
    guard let (moved, result) = ends(of: node), let known = result.activation else { return }
    for value in moved where value.activation == nil && coming.contains(ObjectIdentifier(value)) {
      let isAlone = uses.onlyReader(of: value) === node && value.producer != nil
      give(value, known, to: isAlone ? .all : .nodes([ObjectIdentifier(node)]))
    }
  }

  private mutating func give(
    _ value: Value, _ known: ActivationQuantization, to readers: ActivationQuantization.Readers
  ) {
    value.activation = known
    value.activation?.readers = readers
    count += 1
  }

  private static func reads(
    _ node: Node, _ value: Value, like known: ActivationQuantization
  ) -> Bool {
    guard let activation = value.activation, activation.scale == known.scale,
      activation.zeroPoint == known.zeroPoint, activation.elementType == known.elementType
    else { return false }
    return switch activation.readers {
    case .all: true
    case .nodes(let nodes): nodes.contains(ObjectIdentifier(node))
    }
  }
}
