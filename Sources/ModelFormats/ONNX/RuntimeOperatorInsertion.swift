import ModelGraph

/// Writes products with weights in blocks as onnxruntime's own operators (domain com.microsoft):
/// MatMulNBits, which multiplies by integers of 4 or 8 bits without making floats of them first, and
/// GatherBlockQuantized for tables.
public struct RuntimeOperatorInsertion {
  /// The domain of these operators.
  static let domain = "com.microsoft"

  private var draft: NodeDraft
  private let users: [ObjectIdentifier: [Node]]
  private let innerReads: Set<ObjectIdentifier>
  private var replaced: [Value] = []

  /// Replaces every MatMul, Gemm and Gather of the main graph whose weights are in blocks and are read
  /// in that way alone. What has no such operator stays as it is.
  ///
  /// - Returns: how many were replaced.
  /// - Complexity: O(edges).
  @discardableResult
  public static func apply(to model: Model) -> Int {
    let graph = model.graph
    var pass = RuntimeOperatorInsertion(model)
    for node in graph.nodes { pass.write(node) }
    graph.nodes = pass.draft.nodes
    IntegerParts.settle(pass.replaced, in: graph)
    if !pass.replaced.isEmpty { model.importRuntimeOperators() }
    return pass.replaced.count
  }

  private init(_ model: Model) {
    draft = NodeDraft(model)
    var users: [ObjectIdentifier: [Node]] = [:]
    for node in model.graph.nodes {
      for case let input? in node.inputs {
        users[ObjectIdentifier(input), default: []].append(node)
      }
    }
    self.users = users
    let inner = model.graph.allGraphs.filter { $0 !== model.graph }
    innerReads = Set(
      (inner.flatMap { graph in
        graph.nodes.flatMap { $0.inputs.compactMap { $0 } } + graph.outputs
      } + model.graph.outputs).map(ObjectIdentifier.init))
  }

  private mutating func write(_ node: Node) {
    if let weights = matrix(node), isReadAlone(weights, by: { matrix($0) === weights }) {
      writeProduct(node, weights)
    } else if let table = table(node), isReadAlone(table, by: { self.table($0) === table }) {
      writeLookup(node, table)
    } else {
      draft.append(node)
    }
  }

  private func isReadAlone(_ value: Value, by isWanted: (Node) -> Bool) -> Bool {
    !innerReads.contains(ObjectIdentifier(value))
      && (users[ObjectIdentifier(value)] ?? []).allSatisfy(isWanted)
  }

  // MARK: Products

  /// The weights of a product in blocks along its inputs.
  private func matrix(_ node: Node) -> Value? {
    guard node.inputs.count > 1, let weights = node.inputs[1], node.inputs[0] !== weights,
      let quantized = weights.quantized, let block = quantized.storage.block,
      quantized.source.elementType == .float32, quantized.source.dimensions.count == 2,
      [.int4, .int8].contains(quantized.storage.elementType)
    else { return nil }
    if node.isONNX("MatMul") { return block.axis == 0 ? weights : nil }
    let isPlain =
      node.isONNX("Gemm") && node.int("transA") ?? 0 == 0
      && ["alpha", "beta"].allSatisfy { node.float($0) ?? 1 == 1 }
      && !(node.inputs.count > 2 && node.inputs[2] === weights)
    return isPlain && block.axis == (node.int("transB") ?? 0 == 0 ? 0 : 1) ? weights : nil
  }

  private mutating func writeProduct(_ node: Node, _ weights: Value) {
    guard let input = node.inputs[0], let output = node.outputs[0],
      let block = weights.quantized?.storage.block, let source = weights.quantized?.source
    else {
      draft.append(node)
      return
    }
    let bias = node.inputs.count > 2 ? node.inputs[2] : nil
    let name = node.displayName
    let product = bias == nil ? output : Value(name: draft.name(name + "_product"))
    let bits = weights.quantized?.storage.elementType == .int4 ? 4 : 8
    let extents = [
      ("K", source.dimensions[block.axis]), ("N", source.dimensions[1 - block.axis]),
      ("bits", bits), ("block_size", block.size),
    ]
    write("MatMulNBits", name, [input], weights, extents, product)
    weights.quantized?.storage.arrangement = .blockRows
    if let bias { draft.append("Add", name, [product, bias], into: output) }
  }

  // MARK: Lookups

  /// The table of a Gather of rows, in blocks along the rows; 4 bits only.
  private func table(_ node: Node) -> Value? {
    guard node.isONNX("Gather"), (node.int("axis") ?? 0) == 0, node.inputs.count > 1,
      let table = node.inputs[0], node.inputs[1] !== table, let quantized = table.quantized,
      quantized.storage.block?.axis == 1, quantized.source.elementType == .float32,
      quantized.storage.elementType == .int4
    else { return nil }
    return table
  }

  private mutating func writeLookup(_ node: Node, _ table: Value) {
    guard let indices = node.inputs[1], let output = node.outputs[0],
      let block = table.quantized?.storage.block
    else {
      draft.append(node)
      return
    }
    let extents = [("gather_axis", 0), ("quantize_axis", 1), ("block_size", block.size)]
    write(
      "GatherBlockQuantized", node.displayName, [], table, extents, output, indices: indices)
  }

  private mutating func write(
    _ type: String, _ name: String, _ inputs: [Value], _ weights: Value,
    _ extents: [(String, Int)], _ output: Value, indices: Value? = nil
  ) {
    let parts = draft.integerParts(of: weights, hasZeroPoints: true)
    let constants = [parts.integers] + [indices, parts.scales, parts.zeroPoints].compactMap { $0 }
    draft.append(
      Node(
        name: name, operatorType: type, domain: RuntimeOperatorInsertion.domain,
        inputs: inputs + constants, outputs: [output],
        attributes: extents.map { Attribute($0.0, .int(Int64($0.1))) }))
    replaced.append(weights)
  }
}

extension Model {
  /// Says that the model uses onnxruntime's own operators.
  func importRuntimeOperators() {
    let domain = RuntimeOperatorInsertion.domain
    guard !operatorSets.contains(where: { $0.domain == domain }) else { return }
    operatorSets.append(OperatorSet(domain: domain, version: 1))
  }
}
