import ModelGraph

/// What is known of a value before the model runs.
struct ValueFacts: Equatable {
  /// The elements' type; nil where nothing tells.
  var elementType: ElementType?
  /// The extents, nil for one that isn't known; nil where not even the rank is.
  var shape: [Int?]?
  /// The elements of a short integer tensor, nil for one that isn't known.
  var contents: [Int64?]?

  /// How many axes there are.
  var rank: Int? { shape?.count }

  /// All elements of a short integer tensor.
  var integers: [Int64]? {
    guard let contents else { return nil }
    let known = contents.compactMap { $0 }
    return known.count == contents.count ? known : nil
  }

  /// Integer tensors of more elements are not followed.
  static let longestContents = 64
}

/// Types, shapes and small integer contents of a graph's values, as far as they follow from the
/// model's inputs.
///
/// Nothing that is translated depends on knowing a shape: what isn't known keeps ONNX's layout.
struct FactTable {
  private var facts: [ObjectIdentifier: ValueFacts] = [:]

  /// Follows the graph's nodes in order. `shapes` fixes inputs by name.
  ///
  /// - Complexity: O(nodes).
  init(_ graph: Graph, inputShapes shapes: [String: [Int]] = [:]) {
    for value in graph.initializers {
      if let data = value.initializer { facts[ObjectIdentifier(value)] = FactTable.facts(of: data) }
    }
    for value in graph.inputs where value.initializer == nil {
      facts[ObjectIdentifier(value)] = FactTable.declared(value, shapes[value.name])
    }
    for node in graph.nodes {
      let results = FactRules.results(of: node, inputs: node.inputs.map { $0.map(self.of) })
      for (output, result) in zip(node.outputs, results) {
        if let output { facts[ObjectIdentifier(output)] = result }
      }
    }
  }

  /// What is known of a value.
  func of(_ value: Value) -> ValueFacts { facts[ObjectIdentifier(value)] ?? ValueFacts() }

  /// The facts of a constant.
  static func facts(of data: TensorData) -> ValueFacts {
    ValueFacts(
      elementType: data.elementType, shape: data.dimensions,
      contents: data.elementCount <= ValueFacts.longestContents ? data.integers : nil)
  }

  private static func declared(_ value: Value, _ extents: [Int]?) -> ValueFacts {
    guard case .tensor(let type, let shape) = value.type else { return ValueFacts() }
    let declared = shape?.map { dimension -> Int? in
      if case .fixed(let extent) = dimension, extent >= 0 { extent } else { nil }
    }
    return ValueFacts(elementType: type, shape: extents ?? declared)
  }
}
