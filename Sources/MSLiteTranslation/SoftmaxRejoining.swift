import GraphPasses
import ModelGraph

/// Takes out the matrices that raising a Softmax to version 13 puts around it, where its input's
/// rank, which follows from more than the node itself, shows that they change nothing.
enum SoftmaxRejoining {
  /// - Complexity: O(edges).
  static func apply(to graph: Graph) {
    let candidates = graph.nodes.filter { $0.isONNX("Flatten") }
    if candidates.isEmpty { return }
    let facts = FactTable(graph)
    let uses = GraphUses(graph)
    var removed: Set<ObjectIdentifier> = []
    for flatten in candidates {
      guard case let source?? = flatten.inputs.first, case let matrix?? = flatten.outputs.first,
        let rank = facts.of(source).rank, flatten.int("axis") ?? 1 == Int64(rank - 1),
        let softmax = uses.onlyReader(of: matrix),
        softmax.isONNX("Softmax") || softmax.isONNX("LogSoftmax"), softmax.int("axis") ?? -1 == -1,
        case let result?? = softmax.outputs.first, let reshape = uses.onlyReader(of: result),
        reshape.isONNX("Reshape"), reshape.inputs.count == 2,
        let shape = reshape.inputs[1]?.producer, shape.isONNX("Shape"),
        shape.inputs.first??.name == source.name
      else { continue }
      softmax.inputs[0] = source
      softmax.outputs = reshape.outputs
      removed.formUnion([ObjectIdentifier(flatten), ObjectIdentifier(reshape)])
    }
    graph.nodes.removeAll { removed.contains(ObjectIdentifier($0)) }
  }
}
