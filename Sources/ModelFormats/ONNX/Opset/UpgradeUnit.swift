import ModelGraph

/// What one raising of a model shares between its graphs and functions.
final class UpgradeSession {
  /// The version to reach.
  let target: Int
  private var names: UniqueNames

  init(_ model: Model, target: Int) {
    self.target = target
    names = UniqueNames(in: model)
  }

  /// A value of a name that is new to the model.
  func makeValue(_ name: String) -> Value { Value(name: names.make(name)) }
}

/// A main graph or a function's body, with the graphs inside it.
final class UpgradeUnit {
  /// What the model's graphs and functions share.
  let session: UpgradeSession
  /// The outermost graph.
  let root: Graph
  /// Whether it is a function's body, whose inputs have no types.
  let isFunction: Bool
  private lazy var readValues: Set<ObjectIdentifier> = {
    var found: Set<ObjectIdentifier> = []
    for graph in root.allGraphs {
      for value in graph.outputs { found.insert(ObjectIdentifier(value)) }
      for case let value? in graph.nodes.flatMap(\.inputs) { found.insert(ObjectIdentifier(value)) }
    }
    return found
  }()

  init(root: Graph, isFunction: Bool, session: UpgradeSession) {
    self.root = root
    self.isFunction = isFunction
    self.session = session
  }

  /// Whether a value of the original model is read by a node or is a graph's output.
  func isRead(_ value: Value) -> Bool { readValues.contains(ObjectIdentifier(value)) }
}
