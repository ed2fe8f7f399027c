import Inference
import ModelGraph
import Reports
import Statistics

/// Gathers what values the float activations take in one run, in the order they are made.
struct ActivationSurvey {
  private struct Entry {
    let name: String
    /// The shape when first seen.
    let shape: [Int]
    var statistics: TensorStatistics
  }

  private var entries: [Entry] = []
  private var places: [String: Int] = [:]

  /// Looks at a value; one that a loop makes again is merged with what was seen of it.
  ///
  /// - Complexity: O(elements).
  mutating func observe(_ name: String, _ tensor: Tensor) {
    guard tensor.elementType == .float32 else { return }
    let statistics = tensor.withUnsafeBytes { bytes in
      TensorStatistics(sample: bytes.bindMemory(to: Float.self), request: .sum)
    }
    if let place = places[name] {
      entries[place].statistics.merge(statistics)
    } else {
      places[name] = entries.count
      entries.append(Entry(name: name, shape: tensor.shape, statistics: statistics))
    }
  }

  /// A row for each activation.
  var rows: [ActivationRangeReport.Row] {
    entries.map { entry in
      let statistics = entry.statistics
      let finite = statistics.finiteCount
      return .init(
        name: entry.name, shape: entry.shape, range: statistics.range,
        mean: finite > 0 ? statistics.sum.map { $0 / Double(finite) } : nil,
        zeroShare: Double(statistics.zeroCount) / Double(max(1, statistics.count)),
        notFiniteCount: statistics.count - finite)
    }
  }

  /// The names of what depends on a graph's inputs, of nested graphs too; constants, and what is
  /// computed from constants alone, are not activations.
  static func names(in graph: Graph) -> Set<String> {
    var constants = Set(graph.initializers.map(ObjectIdentifier.init))
    var names = Set(graph.inputs.filter { $0.initializer == nil }.map(\.name))
    collect(graph, &constants, &names)
    return names
  }

  private static func collect(
    _ graph: Graph, _ constants: inout Set<ObjectIdentifier>, _ names: inout Set<String>
  ) {
    for value in graph.initializers { constants.insert(ObjectIdentifier(value)) }
    for node in graph.nodes {
      let inputs = node.inputs.compactMap { $0 }
      let isConstant =
        node.constantOutput != nil
        || (!inputs.isEmpty && node.subgraphs.isEmpty
          && inputs.allSatisfy { constants.contains(ObjectIdentifier($0)) })
      for case let output? in node.outputs {
        if isConstant {
          constants.insert(ObjectIdentifier(output))
        } else {
          names.insert(output.name)
        }
      }
      for nested in node.subgraphs { collect(nested, &constants, &names) }
    }
  }
}
