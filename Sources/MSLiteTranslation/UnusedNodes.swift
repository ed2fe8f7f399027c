import ModelFormats

/// Takes out nodes whose results nothing reads, and tensors that nothing uses.
enum UnusedNodes {
  static func remove(from model: inout MSLiteModel, keeping tensors: [Int]) {
    var needed = Set(tensors)
    var kept: [MSLiteNode] = []
    for node in model.nodes.reversed() where node.outputs.contains(where: needed.contains) {
      needed.formUnion(node.inputs)
      kept.append(node)
    }
    model.nodes = kept.reversed()
  }

  /// Numbers the tensors anew, without those that nothing uses.
  static func compact(_ model: MSLiteModel) -> MSLiteModel {
    var used = Set(model.subgraphs.flatMap { $0.inputs + $0.outputs })
    for node in model.nodes { used.formUnion(node.inputs + node.outputs) }
    var numbers: [Int: Int] = [:]
    var result = model
    result.tensors = []
    for index in model.tensors.indices where used.contains(index) {
      numbers[index] = result.tensors.count
      result.tensors.append(model.tensors[index])
    }
    func renumbered(_ indices: [Int]) -> [Int] { indices.compactMap { numbers[$0] } }
    for index in result.nodes.indices {
      result.nodes[index].inputs = renumbered(result.nodes[index].inputs)
      result.nodes[index].outputs = renumbered(result.nodes[index].outputs)
    }
    for index in result.subgraphs.indices {
      result.subgraphs[index].inputs = renumbered(result.subgraphs[index].inputs)
      result.subgraphs[index].outputs = renumbered(result.subgraphs[index].outputs)
    }
    return result
  }
}
