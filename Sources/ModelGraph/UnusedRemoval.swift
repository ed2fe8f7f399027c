/// Takes out what no result needs any more: nodes that edits left without readers, constants, and
/// declarations of values that are gone.
public enum UnusedRemoval {
  /// Removes constants that nothing reads, Constant nodes among them, from a graph and the graphs
  /// inside it.
  ///
  /// - Complexity: O(edges).
  public static func removeConstants(from graph: Graph) {
    let uses = GraphUses(graph)
    for graph in graph.allGraphs {
      graph.initializers.removeAll { !uses.isUsed($0) && !$0.isOverridable }
      graph.nodes.removeAll { node in
        node.isONNX("Constant") && !node.outputs.contains { $0.map(uses.isUsed) ?? false }
      }
      var made = Set(
        graph.nodes.flatMap { $0.outputs.compactMap { $0 } }.map(ObjectIdentifier.init))
      made.formUnion((graph.inputs + graph.initializers).map(ObjectIdentifier.init))
      graph.declaredValues.removeAll { !made.contains(ObjectIdentifier($0)) }
    }
  }
}
