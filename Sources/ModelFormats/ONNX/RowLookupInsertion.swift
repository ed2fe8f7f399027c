import ModelGraph

/// Writes lookups in quantized tables so that only the rows that are looked up become floats: Gather
/// of integers, then of scales and zero points where each row has its own.
///
/// A DequantizeLinear of the table would make floats of all its rows each time the model runs; that
/// takes onnxruntime as long as the rest of a small language model.
public struct RowLookupInsertion {
  /// A Gather in a table that is quantized.
  public struct Lookup {
    /// The Gather, along the first of two axes.
    public let node: Node
    /// The table.
    public let weights: Value

    /// States a lookup.
    public init(node: Node, weights: Value) {
      self.node = node
      self.weights = weights
    }

    /// Bytes that the lookup's nodes take more than one Gather, at most.
    public var byteBound: Int {
      let names = node.displayName.utf8.count + weights.name.utf8.count
      return 10 * (4 * names + 120)
    }
  }

  /// The Gathers of the main graph along the first axis of quantized float32 tables that nothing else
  /// reads and whose integers take whole bytes and have no blocks.
  ///
  /// - Complexity: O(edges).
  public static func lookups(in graph: Graph) -> [Lookup] {
    let found = candidates(in: graph)
    var counts: [ObjectIdentifier: Int] = [:]
    for reader in graph.allGraphs.flatMap({ graph in
      graph.nodes.flatMap { $0.inputs.compactMap { $0 } } + graph.outputs
    }) { counts[ObjectIdentifier(reader), default: 0] += 1 }
    let looked = Dictionary(grouping: found) { ObjectIdentifier($0.weights) }
    return found.filter {
      let table = ObjectIdentifier($0.weights)
      return counts[table] == looked[table]?.count
    }
  }

  private static func candidates(in graph: Graph) -> [Lookup] {
    graph.nodes.compactMap { node in
      guard node.isONNX("Gather"), (node.int("axis") ?? 0) == 0, node.inputs.count > 1,
        let table = node.inputs[0], let quantized = table.quantized,
        quantized.source.elementType == .float32, quantized.source.dimensions.count == 2,
        quantized.storage.elementType != .int4, quantized.storage.block == nil
      else { return nil }
      return Lookup(node: node, weights: table)
    }
  }

  /// Replaces lookups of the main graph. Tables get their `integerParts`.
  ///
  /// - Parameter hasZeroPoints: whether integers other than 0 stand for zero.
  /// - Precondition: the model's operators have version 13 or newer if rows have their own scales.
  /// - Complexity: O(edges).
  public static func apply(_ lookups: [Lookup], hasZeroPoints: Bool, to model: Model) {
    guard !lookups.isEmpty else { return }
    var draft = NodeDraft(model)
    let wanted = Dictionary(
      lookups.map { (ObjectIdentifier($0.node), $0) }
    ) { first, _ in first }
    for node in model.graph.nodes {
      if let lookup = wanted[ObjectIdentifier(node)] {
        replace(lookup, hasZeroPoints, &draft)
      } else {
        draft.append(node)
      }
    }
    model.graph.nodes = draft.nodes
    IntegerParts.settle(lookups.map(\.weights), in: model.graph)
  }

  private static func replace(_ lookup: Lookup, _ hasZeroPoints: Bool, _ draft: inout NodeDraft) {
    let node = lookup.node
    guard let indices = node.inputs[1], let output = node.outputs[0],
      let storage = lookup.weights.quantized?.storage
    else {
      draft.append(node)
      return
    }
    let name = node.displayName
    let table = draft.integerParts(of: lookup.weights, hasZeroPoints: hasZeroPoints)
    func ofRows(_ parameters: Value, _ role: String) -> Value {
      guard storage.axis == 0 else { return parameters }
      let rows = draft.append("Gather", name + role, [parameters, indices])
      let axes = draft.constant("row_lookup_axes", TensorData(int64: [-1]))
      return draft.append("Unsqueeze", name + role, [rows, axes])
    }
    let toFloat = [Attribute("to", .int(1))]
    let integers = draft.append("Gather", name + "_rows", [table.integers, indices])
    var steps = draft.append("Cast", name + "_rows", [integers], toFloat)
    if let zeroPoints = table.zeroPoints {
      let rows = ofRows(zeroPoints, "_zero_points")
      let zeros = draft.append("Cast", name + "_zero_points", [rows], toFloat)
      steps = draft.append("Sub", name + "_rows", [steps, zeros])
    }
    draft.append("Mul", name, [steps, ofRows(table.scales, "_scales")], into: output)
  }
}
