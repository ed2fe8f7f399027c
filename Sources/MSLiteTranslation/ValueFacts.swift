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

  /// The elements of a short tensor of integers or truths, which are 0 or 1.
  static func contents(of data: TensorData) -> [Int64?]? {
    guard data.elementCount <= longestContents else { return nil }
    if data.elementType == .bool {
      return data.packed?.withUnsafeBytes { $0.map { $0 == 0 ? 0 : 1 } }
    }
    return data.integers
  }
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
    self.init(sourcesOf: graph, inputShapes: shapes)
    for node in graph.nodes { follow(node) }
  }

  /// Knows a graph's constants and inputs; its nodes have yet to be followed.
  init(sourcesOf graph: Graph, inputShapes shapes: [String: [Int]]) {
    for value in graph.initializers { note(value) }
    for value in graph.inputs where value.initializer == nil {
      facts[ObjectIdentifier(value)] = FactTable.declared(value, shapes[value.name])
    }
  }

  /// Notes what a constant is.
  mutating func note(_ value: Value) {
    if let data = value.initializer { facts[ObjectIdentifier(value)] = FactTable.facts(of: data) }
  }

  /// Notes what a node's results are, from what its inputs are known to be.
  mutating func follow(_ node: Node) {
    let results = FactRules.results(of: node, inputs: node.inputs.map { $0.map(self.of) })
    for (output, result) in zip(node.outputs, results) {
      if let output { facts[ObjectIdentifier(output)] = result }
    }
  }

  /// What is known of a value.
  func of(_ value: Value) -> ValueFacts { facts[ObjectIdentifier(value)] ?? ValueFacts() }

  /// The facts of a constant.
  static func facts(of data: TensorData) -> ValueFacts {
    ValueFacts(
      elementType: data.elementType, shape: data.dimensions,
      contents: ValueFacts.contents(of: data))
  }

  private static func declared(_ value: Value, _ extents: [Int]?) -> ValueFacts {
    guard case .tensor(let type, let shape) = value.type else { return ValueFacts() }
    let declared = shape?.map { dimension -> Int? in
      if case .fixed(let extent) = dimension, extent >= 0 { extent } else { nil }
    }
    return ValueFacts(elementType: type, shape: extents ?? declared)
  }
}
