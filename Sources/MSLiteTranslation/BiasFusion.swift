import ModelFormats

/// Puts a constant that is added to a product's columns into the product.
enum BiasFusion {
  /// - Complexity: O(edges).
  static func apply(to model: inout MSLiteModel, outputs: [Int]) {
    let edges = NodeEdges(model, outputs: outputs)
    var removed: Set<Int> = []
    for (index, node) in model.nodes.enumerated()
    where node.primitive.name == "AddFusion" && node.inputs.count == 2
      && node.primitive.settings.isEmpty
    {
      for (product, bias) in [(node.inputs[0], node.inputs[1]), (node.inputs[1], node.inputs[0])] {
        guard let host = edges.maker[product], edges.readers[product] == 1,
          model.nodes[host].primitive.name == "MatMulFusion", model.nodes[host].inputs.count == 2,
          let columns = columns(of: model.nodes[host], model),
          model.tensors[bias].isConstant, model.tensors[bias].dimensions == [columns],
          model.tensors[bias].elementType == .float32
        else { continue }
        model.nodes[host].inputs.append(bias)
        model.nodes[host].outputs = node.outputs
        removed.insert(index)
        break
      }
    }
    model.nodes = model.nodes.indices.filter { !removed.contains($0) }.map { model.nodes[$0] }
  }

  /// The columns of a product with a constant matrix.
  private static func columns(of node: MSLiteNode, _ model: MSLiteModel) -> Int? {
    let weights = model.tensors[node.inputs[1]]
    guard weights.isConstant, weights.dimensions.count == 2 else { return nil }
    let isTurned = node.primitive.settings["transpose_b"] == .int(1)
    return weights.dimensions[isTurned ? 0 : 1]
  }
}

/// Which node makes a tensor, and how often it is read; a graph's results are read once more.
struct NodeEdges {
  private(set) var maker: [Int: Int] = [:]
  private(set) var readers: [Int: Int] = [:]

  init(_ model: MSLiteModel, outputs: [Int]) {
    for (index, node) in model.nodes.enumerated() {
      for output in node.outputs { maker[output] = index }
      for input in node.inputs { readers[input, default: 0] += 1 }
    }
    for output in outputs { readers[output, default: 0] += 1 }
  }
}
