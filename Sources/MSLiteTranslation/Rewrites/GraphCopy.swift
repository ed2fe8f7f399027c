import ModelGraph

/// Copies of nodes with results of their own, and of the graphs inside them. Constants aren't copied:
/// all copies read the same.
struct GraphCopy {
  private var substitutes: [ObjectIdentifier: Value] = [:]

  /// Begins with values that are read in place of others.
  init(replacing pairs: some Sequence<(Value, Value)>) {
    for (original, substitute) in pairs { substitutes[ObjectIdentifier(original)] = substitute }
  }

  /// What copies read in place of a value.
  func value(_ original: Value) -> Value { substitutes[ObjectIdentifier(original)] ?? original }

  /// A copy of a node; those of what it reads come first.
  ///
  /// - Complexity: O(nodes inside it).
  mutating func node(_ original: Node) -> Node {
    if original.isONNX("Constant") { return original }
    let copy = Node(
      name: original.name, operatorType: original.operatorType, domain: original.domain,
      inputs: original.inputs.map { $0.map(value) }, attributes: original.attributes,
      carried: original.carried)
    for index in copy.attributes.indices {
      switch copy.attributes[index].value {
      case .graph(let inner): copy.attributes[index].value = .graph(graph(inner))
      case .graphs(let inner): copy.attributes[index].value = .graphs(inner.map { graph($0) })
      default: break
      }
    }
    copy.outputs = original.outputs.map { output in output.map { fresh($0) } }
    return copy
  }

  private mutating func graph(_ original: Graph) -> Graph {
    let copy = Graph(name: original.name)
    copy.inputs = original.inputs.map { fresh($0) }
    copy.initializers = original.initializers
    copy.nodes = original.nodes.map { node($0) }
    copy.outputs = original.outputs.map(value)
    return copy
  }

  private mutating func fresh(_ original: Value) -> Value {
    let copy = Value(name: original.name)
    copy.type = original.type
    substitutes[ObjectIdentifier(original)] = copy
    return copy
  }
}
