import ModelFormats
import ModelGraph
import Support

/// What shares a scale in an activation that is quantized while the model runs.
public enum DynamicScales: Sendable {
  /// All its elements: int8 with a zero point.
  case tensor
  /// Those along the last axis: int8 around zero.
  case rows
}

/// Products whose activations are quantized while the model runs.
enum DynamicProducts {
  /// The operator that quantizes an activation of `rank` axes.
  ///
  /// Rows are named by all axes but the last; the last of them stands for older runtimes by itself.
  static func primitive(_ scales: DynamicScales, rank: Int?) -> MSLitePrimitive {
    switch scales {
    case .tensor: return MSLitePrimitive("DynamicQuant")
    case .rows:
      let batches = (rank ?? 2) > 2 ? Array(0..<Int64((rank ?? 2) - 2)) : []
      return MSLitePrimitive(
        "DynamicQuant",
        [
          "symmetric": .int(1), "activation_channel": .int(1), "prefer_axis": .int(-2),
          "prefer_axes": .ints(batches + [-2]),
        ])
    }
  }

  /// Says of nodes that read quantized constants or quantize activations that they do so.
  ///
  /// - Complexity: O(nodes).
  static func mark(_ model: inout MSLiteModel) {
    for index in model.nodes.indices {
      let node = model.nodes[index]
      if node.quantization == .weights || node.primitive.name == "DynamicQuant" {
        model.nodes[index].quantization = .dynamic
      }
    }
  }
}

extension Translation {
  /// The left factor of a product: its integers where the right one's are constants and activations
  /// are quantized while the model runs.
  func factor(_ value: Value, multiplying right: Value) throws(Failure) -> Int {
    let tensor = try plain(value)
    guard let dynamicScales, isQuantized(right), !model.tensors[tensor].isConstant else {
      return tensor
    }
    return node(
      DynamicProducts.primitive(dynamicScales, rank: rank(value)), [tensor],
      name: unique(value.name + "_dynamic"), type: .int8)
  }

  /// Whether a value is a quantized constant, or one with its axes turned.
  private func isQuantized(_ value: Value) -> Bool {
    if value.quantized != nil { return true }
    guard let node = value.producer, node.isONNX("Transpose") else { return false }
    return node.inputs.first.flatMap { $0 }?.quantized != nil
  }
}
