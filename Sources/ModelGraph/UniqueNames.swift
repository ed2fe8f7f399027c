/// Makes names that no value of a model has.
public struct UniqueNames {
  private var taken: Set<String> = []

  /// Names beside those of a model's values.
  public init(in model: Model) {
    for graph in [model.graph] + model.functions.map(\.body) { take(graph) }
  }

  /// Names beside those of a graph's values, and of the graphs inside it.
  public init(in graph: Graph) { take(graph) }

  private mutating func take(_ graph: Graph) {
    for graph in graph.allGraphs {
      for value in graph.inputs + graph.initializers + graph.declaredValues {
        taken.insert(value.name)
      }
      for node in graph.nodes {
        for case let value? in node.outputs { taken.insert(value.name) }
      }
    }
  }

  /// `base`, or `base` with the first number that makes it new.
  public mutating func make(_ base: String) -> String {
    var name = base
    var number = 1
    while !taken.insert(name).inserted {
      number += 1
      name = "\(base)_\(number)"
    }
    return name
  }
}
