import ModelGraph
import Support

/// Writes an operator of ONNX's that the format doesn't have in others that it has.
typealias OperatorRewrite = @Sendable (_ writer: inout NodeWriter) throws(Failure) -> Void

/// Replaces operators that the format doesn't have.
enum OperatorRewriting {
  static let rewrites: [String: OperatorRewrite] = [
    FunctionForms.rewrites, NormalizationForms.rewrites, IndexForms.rewrites,
    RecurrenceForms.rewrites, ProductForms.rewrites, ["Einsum": EinsumForm.rewrite],
  ].reduce(into: [:]) { $0.merge($1) { first, _ in first } }

  /// - Parameter inputShapes: shapes of inputs that the model leaves open, by name.
  /// - Throws: a node whose settings have no form, by name.
  /// - Complexity: O(nodes).
  static func apply(
    to graph: Graph, version: Int, inputShapes: [String: [Int]]
  ) throws(Failure) {
    guard graph.nodes.contains(where: { $0.isStandard && rewrites[$0.operatorType] != nil }) else {
      return
    }
    let facts = FactTable(graph, inputShapes: inputShapes)
    var nodes: [Node] = []
    for node in graph.nodes {
      guard node.isStandard, let rewrite = rewrites[node.operatorType] else {
        nodes.append(node)
        continue
      }
      var writer = NodeWriter(node, graph: graph, facts: facts, version: version)
      try rewrite(&writer)
      nodes += writer.nodes
    }
    graph.nodes = nodes
  }
}

/// Writes the nodes that take a node's place.
struct NodeWriter {
  /// The node that is replaced.
  let node: Node
  /// The version of ONNX's operators that the node is of.
  let version: Int
  /// The nodes so far, in order.
  private(set) var nodes: [Node] = []
  private let graph: Graph
  private let facts: FactTable

  init(_ node: Node, graph: Graph, facts: FactTable, version: Int) {
    (self.node, self.graph, self.facts, self.version) = (node, graph, facts, version)
  }

  /// What is known of a value of the graph.
  func known(_ value: Value) -> ValueFacts { facts.of(value) }

  /// The extents of a value, all of them known; else the node is refused.
  func extents(_ value: Value) throws(Failure) -> [Int] {
    guard let shape = known(value).shape, !shape.contains(nil) else {
      throw node.refused("the shape of '\(value.name)' isn't known; state it with --inputShape")
    }
    return shape.compactMap { $0 }
  }

  /// The rank of a value; else the node is refused.
  func rank(_ value: Value) throws(Failure) -> Int {
    guard let rank = known(value).rank else {
      throw node.refused("the rank of '\(value.name)' isn't known")
    }
    return rank
  }

  /// A beginning of names that no other node has.
  private var base: String { node.outputs.lazy.compactMap { $0?.name }.first ?? node.name }

  /// A constant.
  func constant(_ data: TensorData) -> Value {
    let value = Value(
      name: "\(base)/constant\(graph.initializers.count)", initializer: data)
    graph.initializers.append(value)
    return value
  }

  /// A number.
  func number(_ value: Float) -> Value { constant(TensorData(float32: [value], isScalar: true)) }

  /// A list of integers.
  func integers(_ values: [Int]) -> Value { constant(TensorData(int64: values.map { Int64($0) })) }

  /// A node with one result that others read.
  mutating func add(
    _ type: String, _ inputs: [Value?], _ attributes: [Attribute] = []
  ) -> Value {
    let result = Value(name: "\(base)/\(type)\(nodes.count)")
    nodes.append(
      Node(
        name: result.name, operatorType: type, inputs: inputs, outputs: [result],
        attributes: attributes))
    return result
  }

  /// An index.
  func index(_ value: Int) -> Value {
    constant(TensorData(int64: [Int64(value)], isScalar: true))
  }

  /// A last node: its result is one of the replaced node's, if that has so many.
  mutating func finish(
    _ type: String, _ inputs: [Value?], _ attributes: [Attribute] = [], output: Int = 0
  ) {
    guard output < node.outputs.count, let result = node.outputs[output] else { return }
    nodes.append(
      Node(
        name: output == 0 ? node.name : result.name, operatorType: type, inputs: inputs,
        outputs: [result], attributes: attributes))
  }

  /// Leaves the node as it is.
  mutating func keep() { nodes.append(node) }
}
