import ModelGraph

/// A model's main graph cut at groups of its nodes, for work that changes a group's constants after it
/// has seen what the group reads.
///
/// A node's stage is the last group among the nodes that it depends on and itself. When a group has
/// its turn, the values of lower stages are final: they can be kept, so that no later turn computes
/// again what lies in front of them. A node runs at most twice then: beside its own group, whose
/// later nodes may need it, and once its group is done.
///
/// A picture of one moment as to who reads which value; constants may be exchanged.
public struct GraphStages {
  private let model: Model
  private let groups: [[Node]]
  /// The stage of each node; -1 in front of all groups.
  private var stages: [ObjectIdentifier: Int] = [:]
  /// The nodes that depend on what is fed.
  private var fed: Set<ObjectIdentifier> = []
  /// The last group that each node is needed for; those that none needs are missing.
  private var uses: [ObjectIdentifier: Int] = [:]
  /// Whether each node comes behind those whose values it reads; else nothing is told of stages.
  private var isOrdered = true

  /// What runs at a group's turn.
  public struct Part {
    /// A model that computes what the group reads, and, as its results, what is to be kept. It shares
    /// nodes, values and constants with the whole.
    public let model: Model
    /// Whether it reads what is fed to the whole model; its other inputs are kept values.
    public let readsInputs: Bool
    /// The kept values that it reads.
    public let known: [Value]
    /// The values to keep: from these all later turns can start.
    public let kept: [Value]
    /// Whether each of these is a tensor, as far as the operators tell.
    public let canBeKept: Bool
  }

  /// Looks at every node.
  ///
  /// - Parameters:
  ///   - model: the model; where its nodes aren't in an order in which each finds its inputs made,
  ///     nothing can be kept.
  ///   - groups: nodes of the main graph, in its order.
  /// - Complexity: O(edges).
  public init(_ model: Model, groups: [[Node]]) {
    self.model = model
    self.groups = groups
    var groupOf: [ObjectIdentifier: Int] = [:]
    for (number, group) in groups.enumerated() {
      for node in group { groupOf[ObjectIdentifier(node)] = number }
    }
    let inputs = Set(model.graph.inputs.filter { $0.initializer == nil }.map(ObjectIdentifier.init))
    let nodes = Set(model.graph.nodes.map(ObjectIdentifier.init))
    for node in model.graph.nodes {
      let identity = ObjectIdentifier(node)
      var stage = groupOf[identity] ?? -1
      for value in GraphStages.reads(of: node) {
        if inputs.contains(ObjectIdentifier(value)) { fed.insert(identity) }
        guard let producer = value.producer.map(ObjectIdentifier.init) else { continue }
        if stages[producer] == nil, nodes.contains(producer) { isOrdered = false }
        stage = max(stage, stages[producer] ?? -1)
        if fed.contains(producer) { fed.insert(identity) }
      }
      stages[identity] = stage
    }
    for (number, group) in groups.enumerated().reversed() {
      GraphStages.walk(back: group.compactMap(GraphStages.input)) { node in
        let isNew = uses[ObjectIdentifier(node)] == nil
        if isNew { uses[ObjectIdentifier(node)] = number }
        return isNew
      }
    }
  }

  /// What is to run at a group's turn.
  ///
  /// - Parameters:
  ///   - known: values that were kept at an earlier turn; nothing in front of them runs.
  ///   - keeps: whether values are to be kept.
  /// - Complexity: O(edges).
  public func part(_ group: Int, from known: [Value], keeps: Bool = true) -> Part {
    let kept = keeps ? frontier(of: group) : []
    let read = groups[group].compactMap(GraphStages.input)
    let cut = Set(known.map(ObjectIdentifier.init))
    var needed: Set<ObjectIdentifier> = []
    let open = (kept + read).filter { !cut.contains(ObjectIdentifier($0)) }
    GraphStages.walk(back: open, stoppingAt: cut) { needed.insert(ObjectIdentifier($0)).inserted }
    let graph = Graph(name: model.graph.name)
    graph.nodes = model.graph.nodes.filter { needed.contains(ObjectIdentifier($0)) }
    let readers = graph.nodes.flatMap(GraphStages.reads)
    let wanted = Set((readers + kept + read).map(ObjectIdentifier.init))
    let isWanted = { (value: Value) in wanted.contains(ObjectIdentifier(value)) }
    let inputs = model.graph.inputs.filter { $0.initializer == nil }
    let readsInputs = inputs.contains(where: isWanted)
    let reached = known.filter(isWanted)
    graph.inputs = (readsInputs ? model.graph.inputs : []) + reached
    graph.initializers = model.graph.initializers.filter(isWanted)
    graph.outputs = kept.filter { !cut.contains(ObjectIdentifier($0)) }
    return Part(
      model: Model(
        graph: graph, functions: model.functions, operatorSets: model.operatorSets,
        formatVersion: model.formatVersion),
      readsInputs: readsInputs, known: reached, kept: kept,
      canBeKept: isOrdered && kept.allSatisfy(GraphStages.isTensor))
  }

  /// The nodes that no turn behind one needs, once what was to be kept at that turn is kept.
  public func isDone(_ node: Node, after group: Int) -> Bool {
    stages[ObjectIdentifier(node)] ?? -1 < group
  }

  /// The values that are final at a group's turn and that later turns read.
  private func frontier(of group: Int) -> [Value] {
    var found: [Value] = []
    var seen: Set<ObjectIdentifier> = []
    func keep(_ value: Value) {
      guard let producer = value.producer.map(ObjectIdentifier.init), fed.contains(producer),
        let stage = stages[producer], stage < group, seen.insert(ObjectIdentifier(value)).inserted
      else { return }
      found.append(value)
    }
    for node in model.graph.nodes {
      let identity = ObjectIdentifier(node)
      guard uses[identity] ?? -1 > group, stages[identity] ?? -1 >= group else { continue }
      GraphStages.reads(of: node).forEach(keep)
    }
    for later in groups[(group + 1)...] { later.compactMap(GraphStages.input).forEach(keep) }
    return found
  }

  /// What a node of a group reads beside its constants.
  private static func input(of node: Node) -> Value? { node.inputs.first ?? nil }

  /// What a node and the graphs inside it read; of the latter also values of their own.
  private static func reads(of node: Node) -> [Value] {
    var found = node.inputs.compactMap { $0 }
    for inner in node.subgraphs.flatMap(\.allGraphs) {
      found += inner.nodes.flatMap { $0.inputs.compactMap { $0 } } + inner.outputs
    }
    return found
  }

  /// Visits the nodes in front of values, beyond those for which `visit` says yes.
  private static func walk(
    back values: [Value], stoppingAt cut: Set<ObjectIdentifier> = [], _ visit: (Node) -> Bool
  ) {
    var waiting = values.compactMap(\.producer)
    while let node = waiting.popLast() {
      guard visit(node) else { continue }
      waiting += reads(of: node).compactMap {
        cut.contains(ObjectIdentifier($0)) ? nil : $0.producer
      }
    }
  }

  /// Whether a value is a tensor for certain: sequences can't be kept.
  private static func isTensor(_ value: Value) -> Bool {
    if case .tensor? = value.type { return true }
    guard let node = value.producer else { return true }
    if node.isONNX("Identity"), case let input?? = node.inputs.first { return isTensor(input) }
    return node.isStandard && node.subgraphs.isEmpty
      && !["Sequence", "Optional"].contains(where: node.operatorType.contains)
  }
}
