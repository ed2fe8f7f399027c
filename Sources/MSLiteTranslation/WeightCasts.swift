import ModelFormats
import ModelGraph

/// Puts a QuantDTypeCast before the readers of quantized constants, so that their weights stay
/// integers until the readers run.
enum WeightCasts {
  /// Operators whose kernels take weights that are made while the model runs.
  private static let readers: Set<String> = [
    "Conv2DFusion", "Conv2dTransposeFusion", "FullConnection", "Gather", "MatMulFusion",
  ]

  /// - Parameter afterLookups: whether tables are looked up as integers, and what was found is cast.
  /// - Complexity: O(edges).
  static func apply(to model: inout MSLiteModel, afterLookups: Bool) {
    let axes = castable(model)
    var floats: [Int: Int] = [:]
    var nodes: [MSLiteNode] = []
    for var node in model.nodes {
      if afterLookups, node.primitive.name == "Gather", axes[node.inputs[0]] != nil {
        nodes += castAfter(node, &model)
        continue
      }
      for place in node.inputs.indices {
        let input = node.inputs[place]
        guard let axis = axes[input] else { continue }
        if floats[input] == nil {
          nodes.append(cast(input, axis: axis, &model))
          floats[input] = model.tensors.count - 1
        }
        node.inputs[place] = floats[input] ?? input
      }
      nodes.append(node)
    }
    model.nodes = nodes
  }

  /// The quantized constants that only such operators read, with their axis of channels.
  private static func castable(_ model: MSLiteModel) -> [Int: Int] {
    var axes: [Int: Int] = [:]
    for (index, tensor) in model.tensors.enumerated() {
      guard case .quantized = tensor.content else { continue }
      axes[index] = tensor.channelAxis ?? 0
    }
    for node in model.nodes where !readers.contains(node.primitive.name) || isGrouped(node, model) {
      for input in node.inputs { axes[input] = nil }
    }
    return axes
  }

  /// Whether this is a convolution in groups of several channels: its kernel takes its weights apart
  /// before the model runs.
  private static func isGrouped(_ node: MSLiteNode, _ model: MSLiteModel) -> Bool {
    guard node.primitive.name == "Conv2DFusion", node.inputs.count > 1,
      let group = node.int("group"), group > 1
    else { return false }
    let extents = model.tensors[node.inputs[1]].dimensions
    return extents.last != 1 || extents.first.map(Int64.init) != group
  }

  /// A Gather that finds integers, and the cast that makes what it made.
  private static func castAfter(_ node: MSLiteNode, _ model: inout MSLiteModel) -> [MSLiteNode] {
    let table = node.inputs[0]
    var cast = cast(table, axis: 0, &model)
    cast.outputs = node.outputs
    cast.name = node.name + "-QuantDtypeCast"
    model.tensors.removeLast()
    model.tensors.append(
      MSLiteTensor(name: node.name + "-integers", elementType: model.tensors[table].elementType))
    cast.inputs = [model.tensors.count - 1]
    var lookup = node
    lookup.outputs = cast.inputs
    return [lookup, cast]
  }

  private static func cast(_ input: Int, axis: Int, _ model: inout MSLiteModel) -> MSLiteNode {
    let source = model.tensors[input]
    let name = source.name + "-QuantDtypeCast"
    model.tensors.append(
      MSLiteTensor(name: name, elementType: .float32, dimensions: source.dimensions))
    return MSLiteNode(
      name: name,
      primitive: MSLitePrimitive(
        "QuantDTypeCast",
        [
          "src_t": .int(Int64(source.elementType.msliteCode ?? 32)), "dst_t": .int(43),
          "axis": .int(Int64(axis)),
        ]), inputs: [input], outputs: [model.tensors.count - 1])
  }
}
