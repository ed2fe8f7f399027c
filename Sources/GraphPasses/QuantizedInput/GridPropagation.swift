import ModelGraph

/// Lets what is moved keep its parameters: an operator that only moves elements has input and result
/// on the same grid, where an operator on integers stands at the other end.
struct GridPropagation {
  private let graph: Graph
  private let uses: GraphUses
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
      leadsToIntegers(result)
    else { return }
    give(result, first, to: .all)
  }

  private mutating func backward(_ node: Node) {
    guard let (moved, result) = ends(of: node), let known = result.activation else { return }
    for value in moved where value.activation == nil && comesFromIntegers(value) {
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

  /// Whether an operator with integer weights reads the value, maybe moved.
  private func leadsToIntegers(_ value: Value, depth: Int = 0) -> Bool {
    guard depth < 32 else { return false }
    return uses.readers(of: value).contains { reader in
      if let (moved, result) = ends(of: reader), moved.contains(where: { $0 === value }) {
        return leadsToIntegers(result, depth: depth + 1)
      }
      return reader.inputs.first.flatMap { $0 } === value
        && reader.inputs.dropFirst().contains { $0?.quantized != nil }
    }
  }

  /// Whether an operator with integer weights makes the value, maybe moved.
  private func comesFromIntegers(_ value: Value, depth: Int = 0) -> Bool {
    guard depth < 32, let maker = value.producer else { return false }
    if let (moved, _) = ends(of: maker) {
      return moved.contains { $0.activation != nil || comesFromIntegers($0, depth: depth + 1) }
    }
    return maker.inputs.dropFirst().contains { $0?.quantized != nil }
  }
}
