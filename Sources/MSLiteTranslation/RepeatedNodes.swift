import ModelFormats

/// Takes out nodes that do what another has done already: the same operator on the same tensors.
enum RepeatedNodes {
  private struct Work: Hashable {
    let primitive: MSLitePrimitive
    let inputs: [Int]
  }

  /// - Complexity: O(edges).
  static func remove(from model: inout MSLiteModel, keeping outputs: [Int]) {
    let kept = Set(outputs)
    var done: [Work: [Int]] = [:]
    var standIns: [Int: Int] = [:]
    model.nodes.removeAll { node in
      let work = Work(
        primitive: node.primitive, inputs: node.inputs.map { standIns[$0] ?? $0 })
      guard let earlier = done[work], earlier.count == node.outputs.count,
        kept.isDisjoint(with: node.outputs)
      else {
        if done[work] == nil { done[work] = node.outputs }
        return false
      }
      for (output, standIn) in zip(node.outputs, earlier) { standIns[output] = standIn }
      return true
    }
    for index in model.nodes.indices {
      model.nodes[index].inputs = model.nodes[index].inputs.map { standIns[$0] ?? $0 }
    }
  }
}
