import ModelGraph
import Support

/// Raises the version of ONNX's own operators that a model uses, keeping what it computes.
///
/// A model is raised one version at a time. Each step rewrites the nodes whose form or meaning
/// that version changed; all other nodes mean the same in both versions and stay as they are.
public enum OpsetUpgrade {
  /// The oldest version that can be raised.
  public static let oldestVersion = 7
  /// The newest version to raise to.
  public static let newestVersion = 21

  /// Raises the model's ONNX operators to `version`: the graph, the graphs in its nodes, and the
  /// model's functions. A model that has that version or a newer one is left alone.
  ///
  /// Constants that nothing reads afterwards are removed.
  ///
  /// The file format's version rises to what the operators need; initializers that files before
  /// version 4 list as inputs too are then only initializers, as they were constants before.
  ///
  /// - Precondition: `version` is at most `newestVersion`, or the model has it already.
  /// - Throws: a version before `oldestVersion`, or a node that `version` can't express. The model
  ///   is then partly raised and of no use.
  /// - Complexity: O(versions * nodes).
  public static func raise(_ model: Model, to version: Int) throws(Failure) {
    let current = currentVersion(of: model)
    guard current < version else { return }
    precondition(version <= newestVersion)
    try check(current, "the model")
    let session = UpgradeSession(model, target: version)
    for function in model.functions {
      guard let old = standardVersion(function.operatorSets), old < version else { continue }
      try check(old, "a function in the model")
      try raise(
        UpgradeUnit(root: function.body, isFunction: true, session: session), from: old)
      setVersion(version, in: &function.operatorSets)
    }
    try raise(
      UpgradeUnit(root: model.graph, isFunction: false, session: session), from: current)
    setVersion(version, in: &model.operatorSets)
    UnusedRemoval.removeConstants(from: model.graph)
    raiseFormat(of: model, to: formatVersion(for: version))
  }

  /// The first version of the file format that comes with a version of the operators.
  public static func formatVersion(for operatorSetVersion: Int) -> Int {
    switch operatorSetVersion {
    case ..<9: 3
    case 9: 4
    case 10: 5
    case 11: 6
    case 12...14: 7
    case 15...18: 8
    case 19...20: 9
    case 21...22: 10
    case 23: 11
    case 24: 12
    default: 13
    }
  }

  private static func standardVersion(_ sets: [OperatorSet]) -> Int? {
    sets.first { $0.isStandard }?.version
  }

  private static func setVersion(_ version: Int, in sets: inout [OperatorSet]) {
    for index in sets.indices where sets[index].isStandard { sets[index].version = version }
    if !sets.contains(where: \.isStandard) {
      sets.append(OperatorSet(domain: "", version: version))
    }
  }

  /// The model's version; the oldest one for a model that uses no operator of ONNX's own.
  private static func currentVersion(of model: Model) -> Int {
    let usesStandard = model.graph.allGraphs.contains { $0.nodes.contains(where: \.isStandard) }
    if standardVersion(model.operatorSets) == nil, !usesStandard { return oldestVersion }
    return model.standardOperatorVersion
  }

  private static func check(_ version: Int, _ subject: String) throws(Failure) {
    guard version < oldestVersion else { return }
    throw Failure(
      .opsetUnsupported, "\(subject) uses version \(version) of the ONNX operators",
      notes: ["gsconvert can raise version \(oldestVersion) and newer ones"],
      help: "export the model again with operator set 13 or newer")
  }

  private static func raise(_ unit: UpgradeUnit, from version: Int) throws(Failure) {
    for step in (version + 1)...unit.session.target {
      guard let rewrites = OpsetSteps.table[step] else { continue }
      for graph in unit.root.allGraphs { try apply(rewrites, to: graph, unit) }
    }
  }

  private static func apply(
    _ rewrites: [String: OpsetSteps.Rewrite], to graph: Graph, _ unit: UpgradeUnit
  ) throws(Failure) {
    var nodes: [Node] = []
    nodes.reserveCapacity(graph.nodes.count)
    for node in graph.nodes {
      guard node.isStandard, let rewrite = rewrites[node.operatorType] else {
        nodes.append(node)
        continue
      }
      let place = NodeRewrite(node, in: graph, of: unit)
      try rewrite(place)
      nodes += place.before + [node] + place.after
    }
    graph.nodes = nodes
  }

  private static func raiseFormat(of model: Model, to version: Int) {
    guard model.formatVersion < version else { return }
    if model.formatVersion < 4, version >= 4 {
      for graph in model.graph.allGraphs {
        graph.inputs.removeAll { $0.initializer != nil || $0.isOpaqueConstant }
      }
    }
    model.formatVersion = version
  }
}

extension OperatorSet {
  fileprivate var isStandard: Bool { domain.isEmpty || domain == "ai.onnx" }
}
