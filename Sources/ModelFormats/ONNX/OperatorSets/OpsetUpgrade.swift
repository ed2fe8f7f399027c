import ModelGraph
import Support

/// Raises ONNX's own operator set of a model, rewriting the operators whose form or meaning changed,
/// so that the model computes the same.
public enum OpsetUpgrade {
  /// The oldest version that is understood.
  public static let oldestVersion = 7

  /// Raises the operator set to `version`, step by step, in the main graph, its subgraphs and the
  /// model's functions; the version of the file format follows. No change if it is high enough.
  ///
  /// - Throws: a version older than `oldestVersion`, or a node that can't be said in the newer set.
  /// - Complexity: O(nodes x steps).
  public static func raise(_ model: Model, to version: Int) throws(Failure) {
    var names = UniqueNames(in: model)
    try raise(
      graphs: model.graph.allGraphs, &model.operatorSets, to: version, names: &names)
    for function in model.functions {
      try raise(
        graphs: function.body.allGraphs, &function.operatorSets, to: version, names: &names)
    }
    raiseFormat(of: model)
  }

  /// The file format's version that an operator set came with.
  public static func formatVersion(for operatorSetVersion: Int) -> Int {
    switch operatorSetVersion {
    case ..<9: 3
    case 9: 4
    case 10: 5
    case 11: 6
    case 12...14: 7
    case 15...18: 8
    case 19...20: 9
    default: 10
    }
  }

  private static func raise(
    graphs: [Graph], _ sets: inout [OperatorSet], to version: Int, names: inout UniqueNames
  ) throws(Failure) {
    guard let index = sets.firstIndex(where: { $0.domain.isEmpty || $0.domain == "ai.onnx" })
    else {
      sets.append(OperatorSet(domain: "", version: version))
      return
    }
    let before = sets[index].version
    guard before < version else { return }
    guard before >= oldestVersion else {
      throw Failure(
        .opsetUnsupported, "the model uses operator set \(before), which is too old",
        help: "export it anew with operator set \(oldestVersion) or later")
    }
    for step in (before + 1)...version {
      guard let rewrites = OpsetStep.table[step] else { continue }
      for graph in graphs {
        var nodes: [Node] = []
        for node in graph.nodes {
          if node.isStandard, let rewrite = rewrites[node.operatorType] {
            var context = RewriteContext(names: names, step: step)
            nodes += try rewrite(node, &context)
            names = context.names
          } else {
            nodes.append(node)
          }
        }
        graph.nodes = nodes
      }
    }
    sets[index].version = version
  }

  /// From format 4 on an initializer that is also an input can be overridden; before, it was a
  /// constant and has to remain one.
  private static func raiseFormat(of model: Model) {
    let needed = formatVersion(for: model.standardOperatorVersion)
    guard model.formatVersion < needed else { return }
    if model.formatVersion < 4 {
      for graph in model.graph.allGraphs {
        let constants = Set(graph.initializers.map { ObjectIdentifier($0) })
        graph.inputs.removeAll { constants.contains(ObjectIdentifier($0)) }
      }
    }
    model.formatVersion = needed
  }
}

/// What a rewrite needs beside the node.
struct RewriteContext {
  var names: UniqueNames
  /// The version being reached.
  let step: Int

  /// A new value with a name after `node`.
  mutating func value(_ suffix: String, of node: Node) -> Value {
    Value(name: names.make("\(node.displayName)_\(suffix)"))
  }

  /// A Constant node for `data`.
  mutating func constant(_ data: TensorData, _ suffix: String, of node: Node) -> Node {
    Node(
      operatorType: "Constant", outputs: [value(suffix, of: node)],
      attributes: [Attribute("value", .tensor(data))])
  }

  /// A node with one new output.
  mutating func node(
    _ type: String, _ inputs: [Value?], _ suffix: String, of node: Node,
    _ attributes: [Attribute] = []
  ) -> Node {
    Node(
      operatorType: type, inputs: inputs, outputs: [value(suffix, of: node)],
      attributes: attributes)
  }

  func unsupported(_ node: Node, _ why: String) -> Failure {
    Failure(
      .opsetUnsupported,
      "\(node.operatorType) '\(node.displayName)' cannot be raised to operator set \(step): \(why)",
      help: "export the model anew with operator set \(step) or later")
  }

  /// Attributes that a function's caller fills in can't become inputs.
  func check(_ node: Node, _ names: [String]) throws(Failure) {
    for name in names {
      if case .opaque = node.attribute(name) {
        throw unsupported(node, "its attribute '\(name)' is a function's parameter")
      }
    }
  }
}

extension Node {
  /// The first output; every operator here has one.
  var output: Value? { outputs.first ?? nil }

  /// Sets input `index`, leaving out those before it that are missing.
  func setInput(_ index: Int, _ value: Value?) {
    while inputs.count <= index { inputs.append(nil) }
    inputs[index] = value
  }
}
