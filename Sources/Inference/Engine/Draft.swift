import ModelGraph

/// A node on its way to becoming a step: fusions change drafts, never the model's nodes.
struct Draft {
  /// The node it comes from; the first one, when several are fused.
  let node: Node
  /// The operator.
  let definition: OperatorDefinition
  /// What it reads; captured values of nested graphs are not among them.
  var inputs: [Value?]
  /// What it makes.
  var outputs: [Value?]
  /// What nested graphs read from around them.
  var captures: [Value]
  /// Operations that a fused kernel does besides the node's own.
  var followers: [Follower] = []
}

/// An elementwise operation that a kernel applies to its result before storing it.
enum Follower: Hashable, Sendable {
  case relu
  case clip(low: Float, high: Float)
  /// Adds an input of the step, by index, of the result's shape.
  case add(input: Int)
  /// Multiplies each channel by an input of the step with one element a channel.
  case scale(input: Int)
  /// Adds to each channel an input of the step with one element a channel.
  case shift(input: Int)
}

/// Which graph values nested graphs read from around them.
enum Captures {
  /// The values that a node's nested graphs read and don't define, in order of first use.
  static func of(_ node: Node) -> [Value] {
    var found: [Value] = []
    var seen: Set<ObjectIdentifier> = []
    for graph in node.subgraphs {
      collect(graph, defined: [], &found, &seen)
    }
    return found
  }

  /// The values that one graph reads and doesn't define.
  static func of(_ graph: Graph) -> [Value] {
    var found: [Value] = []
    var seen: Set<ObjectIdentifier> = []
    collect(graph, defined: [], &found, &seen)
    return found
  }

  private static func collect(
    _ graph: Graph, defined outer: Set<ObjectIdentifier>, _ found: inout [Value],
    _ seen: inout Set<ObjectIdentifier>
  ) {
    var defined = outer
    for value in graph.inputs + graph.initializers { defined.insert(ObjectIdentifier(value)) }
    for node in graph.nodes {
      for output in node.outputs { if let output { defined.insert(ObjectIdentifier(output)) } }
    }
    func note(_ value: Value) {
      let identity = ObjectIdentifier(value)
      if !defined.contains(identity), value.initializer == nil, seen.insert(identity).inserted {
        found.append(value)
      }
    }
    for node in graph.nodes {
      for input in node.inputs { if let input { note(input) } }
      for nested in node.subgraphs { collect(nested, defined: defined, &found, &seen) }
    }
    for output in graph.outputs { note(output) }
  }
}
