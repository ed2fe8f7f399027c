import ModelFormats

/// Puts an activation into the operator that makes its input, where the runtime can do both at once.
enum ActivationFusion {
  /// Relu and Relu6, as the format numbers them.
  private static let fusible: Set<Int64> = [1, 3]
  private static let hosts: Set<String> = [
    "Conv2DFusion", "Conv2dTransposeFusion", "AddFusion", "SubFusion", "MulFusion", "DivFusion",
    "MatMulFusion", "FullConnection",
  ]

  /// - Complexity: O(edges).
  static func apply(to model: inout MSLiteModel, outputs: [Int]) {
    let edges = NodeEdges(model, outputs: outputs)
    var maker = edges.maker
    var removed: Set<Int> = []
    for (index, node) in model.nodes.enumerated() where node.primitive.name == "Activation" {
      guard case .int(let type)? = node.primitive.settings["activation_type"],
        fusible.contains(type), let input = node.inputs.first, edges.readers[input] == 1,
        let host = maker[input], hosts.contains(model.nodes[host].primitive.name),
        model.nodes[host].primitive.settings["activation_type"] == nil,
        model.tensors[input].elementType == .float32
      else { continue }
      model.nodes[host].primitive.settings["activation_type"] = .int(type)
      model.nodes[host].outputs = node.outputs
      for output in node.outputs { maker[output] = host }
      removed.insert(index)
    }
    model.nodes = model.nodes.indices.filter { !removed.contains($0) }.map { model.nodes[$0] }
  }
}
