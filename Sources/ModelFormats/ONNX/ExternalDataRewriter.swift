import SwiftProtobuf

/// Turns payload numbers of a serialized model into references to a data file.
struct ExternalDataRewriter {
  let fileName: String
  let offsets: [Int]
  let byteCounts: [Int]

  /// The message with `external_data` in place of payload numbers.
  func rewrite(_ skeleton: [UInt8]) throws -> [UInt8] {
    var model = try ONNXModel(serializedBytes: skeleton)
    rewrite(&model.graph)
    for index in model.functions.indices {
      for node in model.functions[index].node.indices {
        rewrite(&model.functions[index].node[node])
      }
    }
    return try model.serializedBytes()
  }

  private func rewrite(_ graph: inout ONNXGraph) {
    for index in graph.initializer.indices { rewrite(&graph.initializer[index]) }
    for index in graph.node.indices where !graph.node[index].attribute.isEmpty {
      rewrite(&graph.node[index])
    }
  }

  private func rewrite(_ node: inout ONNXNode) {
    for index in node.attribute.indices {
      if node.attribute[index].hasT { rewrite(&node.attribute[index].t) }
      if node.attribute[index].hasG { rewrite(&node.attribute[index].g) }
      for tensor in node.attribute[index].tensors.indices {
        rewrite(&node.attribute[index].tensors[tensor])
      }
      for graph in node.attribute[index].graphs.indices {
        rewrite(&node.attribute[index].graphs[graph])
      }
    }
  }

  private func rewrite(_ tensor: inout ONNXTensor) {
    guard tensor.hasPayload else { return }
    let index = Int(tensor.payload)
    tensor.clearPayload()
    tensor.dataLocation = 1
    tensor.externalData = [
      ("location", fileName), ("offset", String(offsets[index])),
      ("length", String(byteCounts[index])),
    ].map { key, value in
      var entry = ONNXStringEntry()
      entry.key = key
      entry.value = value
      return entry
    }
  }
}
