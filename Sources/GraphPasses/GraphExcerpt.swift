import ModelGraph

/// Takes the part of a model out that some nodes need.
public enum GraphExcerpt {
  /// A model that computes what nodes of the main graph read and, where that is fed, the nodes'
  /// results. It shares nodes, values and constants with the whole.
  ///
  /// - Complexity: O(edges).
  public static func model(of model: Model, before nodes: [Node]) -> Model {
    let graph = Graph(name: model.graph.name)
    graph.inputs = model.graph.inputs
    graph.initializers = model.graph.initializers
    for node in nodes {
      let read = node.inputs.compactMap { $0 }.filter { $0.producer != nil && $0.constant == nil }
      for value in read.isEmpty ? node.outputs.compactMap({ $0 }) : read
      where !graph.outputs.contains(where: { $0 === value }) {
        graph.outputs.append(value)
      }
    }
    var needed: Set<ObjectIdentifier> = []
    var waiting = graph.outputs.compactMap(\.producer)
    while let node = waiting.popLast() {
      guard needed.insert(ObjectIdentifier(node)).inserted else { continue }
      waiting += node.inputs.compactMap { $0?.producer }
      for inner in node.subgraphs.flatMap(\.allGraphs) {
        waiting += inner.nodes.flatMap { $0.inputs.compactMap { $0?.producer } }
        waiting += inner.outputs.compactMap(\.producer)
      }
    }
    graph.nodes = model.graph.nodes.filter { needed.contains(ObjectIdentifier($0)) }
    return Model(
      graph: graph, functions: model.functions, operatorSets: model.operatorSets,
      formatVersion: model.formatVersion)
  }
}
