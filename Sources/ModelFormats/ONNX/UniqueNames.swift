import ModelGraph

/// Makes names that no value of a model has.
struct UniqueNames {
  private var taken: Set<String> = []

  init(in model: Model) {
    for graph in model.graph.allGraphs + model.functions.flatMap({ $0.body.allGraphs }) {
      for value in graph.inputs + graph.initializers + graph.declaredValues {
        taken.insert(value.name)
      }
      for node in graph.nodes {
        for value in node.outputs { if let value { taken.insert(value.name) } }
      }
    }
  }

  /// `base`, or `base` with the first number that makes it new.
  mutating func make(_ base: String) -> String {
    var name = base
    var number = 1
    while !taken.insert(name).inserted {
      number += 1
      name = "\(base)_\(number)"
    }
    return name
  }
}
