import ModelGraph

/// Makes constants of what operators that only shape make of constants: exporters put a Reshape
/// before the bias that they add to a convolution.
public enum ConstantShaping {
  /// Changes the main graph; elements stay where they are.
  ///
  /// - Parameter others: makes constants of other operators' results too, where it can.
  /// - Complexity: O(nodes), beside that of `others`.
  public static func apply(
    to graph: Graph, others: (Node) -> TensorData? = { _ in nil }
  ) {
    var made: [Value] = []
    graph.nodes.removeAll { node in
      guard node.isStandard, node.outputs.count == 1, case let result?? = node.outputs.first,
        let data = shaped(node) ?? others(node)
      else { return false }
      result.initializer = data
      made.append(result)
      return true
    }
    guard !made.isEmpty else { return }
    graph.initializers += made
    UnusedRemoval.removeConstants(from: graph)
  }

  /// The node's result, if it is a constant in another shape.
  private static func shaped(_ node: Node) -> TensorData? {
    guard case let source?? = node.inputs.first, !source.isOverridable, let data = source.constant
    else { return nil }
    let operand = node.inputs.count > 1 ? node.inputs[1] : nil
    if operand?.isOverridable ?? false { return nil }
    let integers = operand?.constant?.integers
    let extents: [Int]? =
      switch node.operatorType {
      case "Identity": data.dimensions
      case "Reshape": integers.flatMap { reshaped(data.dimensions, $0, node) }
      case "Squeeze": squeezed(data.dimensions, node.ints("axes") ?? integers, node)
      case "Unsqueeze": (node.ints("axes") ?? integers).flatMap { unsqueezed(data.dimensions, $0) }
      default: nil
      }
    guard let extents, TensorData.elementCount(of: extents) == data.elementCount else { return nil }
    return TensorData(elementType: data.elementType, dimensions: extents, storage: data.storage)
  }

  private static func reshaped(_ extents: [Int], _ wanted: [Int64], _ node: Node) -> [Int]? {
    let keepsZeros = (node.int("allowzero") ?? 0) != 0
    var result: [Int] = []
    for (index, extent) in wanted.enumerated() {
      guard let extent = Int(exactly: extent), extent >= -1 else { return nil }
      if extent == 0, !keepsZeros {
        guard index < extents.count else { return nil }
        result.append(extents[index])
      } else {
        result.append(extent)
      }
    }
    guard let open = result.firstIndex(of: -1) else { return result }
    result[open] = 1
    guard let known = TensorData.elementCount(of: result), known > 0,
      let all = TensorData.elementCount(of: extents), all % known == 0
    else { return nil }
    result[open] = all / known
    return result
  }

  private static func squeezed(_ extents: [Int], _ axes: [Int64]?, _ node: Node) -> [Int]? {
    guard let axes else {
      return node.inputs.count > 1 && node.inputs[1] != nil ? nil : extents.filter { $0 != 1 }
    }
    let places = Set(axes.compactMap { Int(exactly: $0).map { $0 < 0 ? $0 + extents.count : $0 } })
    guard places.allSatisfy({ extents.indices.contains($0) && extents[$0] == 1 }) else {
      return nil
    }
    return extents.indices.filter { !places.contains($0) }.map { extents[$0] }
  }

  private static func unsqueezed(_ extents: [Int], _ axes: [Int64]) -> [Int]? {
    let rank = extents.count + axes.count
    let places = Set(axes.compactMap { Int(exactly: $0).map { $0 < 0 ? $0 + rank : $0 } })
    guard places.count == axes.count, places.allSatisfy((0..<rank).contains) else { return nil }
    var rest = extents.makeIterator()
    return (0..<rank).map { places.contains($0) ? 1 : rest.next() ?? 1 }
  }
}
