/// Makes names that no value of a model has.
public struct UniqueNames {
  private var taken: Set<String> = []
  /// The last number that a name was given.
  private var numbers: [String: Int] = [:]

  /// Names beside those of a model's values.
  public init(in model: Model) {
    for graph in [model.graph] + model.functions.map(\.body) { take(graph) }
  }

  /// Names beside those of a graph's values, and of the graphs inside it.
  public init(in graph: Graph) { take(graph) }

  /// Names beside those of values.
  public init(besides values: [Value]) { taken = Set(values.map(\.name)) }

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
  ///
  /// - Complexity: O(1), amortized, but for names that look like numbered ones.
  public mutating func make(_ base: String) -> String {
    if taken.insert(base).inserted { return base }
    var number = numbers[base] ?? 1
    var name: String
    repeat {
      number += 1
      name = "\(base)_\(number)"
    } while !taken.insert(name).inserted
    numbers[base] = number
    return name
  }
}
