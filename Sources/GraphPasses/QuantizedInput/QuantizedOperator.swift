import ModelGraph

/// An operator that works on integers and states their scales and zero points, and the float
/// operator that it is between DequantizeLinear and QuantizeLinear.
struct QuantizedOperator {
  /// Where an operand of the float operator comes from: places among the inputs.
  enum Operand {
    /// Integers with a scale and a zero point; `axis` is that of a scale for each channel.
    case integers(Int, scale: Int, zeroPoint: Int, axis: Int = 0)
    /// An int32 bias, whose scale is the product of these.
    case bias(Int, scales: [Int])
    /// What is no number on a grid, such as a condition.
    case plain(Int)
  }

  /// The float operator.
  let operatorType: String
  /// Its operands.
  let operands: [Operand]
  /// Where the result's scale and zero point are; a result without scale is float.
  let result: (scale: Int, zeroPoint: Int)
  /// Attributes that the float operator doesn't have.
  var dropped: Set<String> = []

  /// What a node is; nil for other nodes, and for settings that no float operator has.
  init?(_ node: Node) {
    let x = Operand.integers(0, scale: 1, zeroPoint: 2)
    let y = Operand.integers(3, scale: 4, zeroPoint: 5)
    switch (node.domain, node.operatorType) {
    case ("", "QLinearConv"), ("ai.onnx", "QLinearConv"):
      self.init("Conv", [x, y, .bias(8, scales: [1, 4])], result: (6, 7))
    case ("", "QLinearMatMul"), ("ai.onnx", "QLinearMatMul"):
      guard node.inputs.count == 8 else { return nil }
      self.init(
        "MatMul",
        [
          .integers(0, scale: 1, zeroPoint: 2, axis: -2),
          .integers(3, scale: 4, zeroPoint: 5, axis: -1),
        ], result: (6, 7))
    case ("com.microsoft", let type):
      guard let known = QuantizedOperator.contributed(type, node, x, y) else { return nil }
      self = known
    default: return nil
    }
    let places = [result.scale - 1] + operands.map(\.lastRequired)
    guard node.inputs.count > places.reduce(0, max), node.outputs.count == 1 else { return nil }
  }

  private init(
    _ operatorType: String, _ operands: [Operand], result: (scale: Int, zeroPoint: Int),
    dropped: Set<String> = []
  ) {
    self.operatorType = operatorType
    self.operands = operands
    self.result = result
    self.dropped = dropped
  }

  /// ONNX Runtime's own operators.
  private static func contributed(
    _ type: String, _ node: Node, _ x: Operand, _ y: Operand
  ) -> QuantizedOperator? {
    switch type {
    case "QGemm":
      let axis = (node.int("transB") ?? 0) != 0 ? 0 : 1
      guard (node.float("alpha") ?? 1) == 1 else { return nil }
      return QuantizedOperator(
        "Gemm",
        [x, .integers(3, scale: 4, zeroPoint: 5, axis: axis), .bias(6, scales: [1, 4])],
        result: (7, 8))
    case "QLinearAdd": return QuantizedOperator("Add", [x, y], result: (6, 7))
    case "QLinearMul": return QuantizedOperator("Mul", [x, y], result: (6, 7))
    case "QLinearSigmoid": return QuantizedOperator("Sigmoid", [x], result: (3, 4))
    case "QLinearLeakyRelu": return QuantizedOperator("LeakyRelu", [x], result: (3, 4))
    case "QLinearAveragePool", "QLinearGlobalAveragePool":
      guard (node.int("channels_last") ?? 0) == 0 else { return nil }
      return QuantizedOperator(
        String(type.dropFirst(7)), [x], result: (3, 4), dropped: ["channels_last"])
    case "QLinearSoftmax":
      guard (node.int("opset") ?? 0) >= 13 else { return nil }
      return QuantizedOperator("Softmax", [x], result: (3, 4), dropped: ["opset"])
    case "QLinearConcat":
      guard node.inputs.count >= 5, (node.inputs.count - 2) % 3 == 0 else { return nil }
      return QuantizedOperator(
        "Concat",
        stride(from: 2, to: node.inputs.count, by: 3).map {
          .integers($0, scale: $0 + 1, zeroPoint: $0 + 2)
        }, result: (0, 1))
    case "QLinearWhere":
      return QuantizedOperator(
        "Where",
        [
          .plain(0), .integers(1, scale: 2, zeroPoint: 3), .integers(4, scale: 5, zeroPoint: 6),
        ], result: (7, 8))
    default: return nil
    }
  }
}

extension QuantizedOperator.Operand {
  /// The last place that must be there.
  fileprivate var lastRequired: Int {
    switch self {
    case .integers(_, let scale, _, _): scale
    case .bias(_, let scales): scales.reduce(0, max)
    case .plain(let place): place
    }
  }
}
