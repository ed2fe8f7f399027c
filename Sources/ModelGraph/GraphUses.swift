/// Who reads which value, in a graph and in the graphs inside its nodes.
///
/// A picture of one moment: edits of the graph do not reach it.
public struct GraphUses {
  private var readersByValue: [ObjectIdentifier: [Node]] = [:]
  private var outputs: Set<ObjectIdentifier> = []

  /// Looks at every node.
  ///
  /// - Complexity: O(edges).
  public init(_ graph: Graph) {
    for graph in graph.allGraphs {
      for node in graph.nodes {
        for case let input? in node.inputs {
          readersByValue[ObjectIdentifier(input), default: []].append(node)
        }
      }
      outputs.formUnion(graph.outputs.map(ObjectIdentifier.init))
    }
  }

  /// The nodes that read a value, once for each time they do.
  public func readers(of value: Value) -> [Node] {
    readersByValue[ObjectIdentifier(value)] ?? []
  }

  /// Whether a graph has the value as a result.
  public func isOutput(_ value: Value) -> Bool { outputs.contains(ObjectIdentifier(value)) }

  /// Whether anything reads the value.
  public func isUsed(_ value: Value) -> Bool { isOutput(value) || !readers(of: value).isEmpty }

  /// The node that reads a value, if it alone does, once, and the value is no result.
  public func onlyReader(of value: Value) -> Node? {
    let readers = readers(of: value)
    return readers.count == 1 && !isOutput(value) ? readers[0] : nil
  }
}
