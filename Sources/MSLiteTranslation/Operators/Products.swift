import ModelFormats
import ModelGraph
import Support

/// Matrix products.
enum Products {
  static let translations: [String: OperatorTranslation] = [
    "MatMul": { @Sendable (translation, node) throws(Failure) in
      let right = try node.operand(1)
      let isTurned = isTurned(translation.order(of: right))
      var inputs = [
        try translation.factor(try node.operand(0), multiplying: right),
        try translation.tensor(right, isTurned ? translation.order(of: right) : nil),
      ]
      if let bias = node.operandIfAny(2) { inputs.append(try translation.plain(bias)) }
      translation.emit(
        MSLitePrimitive("MatMulFusion", isTurned ? ["transpose_b": .int(1)] : [:]), inputs,
        for: node)
    },
    "Gemm": gemm,
  ]

  /// Whether an order differs from ONNX's in the last two axes alone.
  private static func isTurned(_ order: AxisOrder?) -> Bool {
    guard let order, order.rank >= 2 else { return false }
    let rank = order.rank
    return order.axes == Array(0..<rank - 2) + [rank - 1, rank - 2]
  }

  private static let gemm: OperatorTranslation = { @Sendable (translation, node) throws(Failure) in
    let weights = try node.operand(1)
    let isTurned = (node.int("transB") ?? 0) != 0
    var inputs = [
      try translation.factor(try node.operand(0), multiplying: weights),
      try translation.plain(weights),
    ]
    let primitive = MSLitePrimitive(
      "MatMulFusion",
      ["transpose_a": .int(node.int("transA") ?? 0), "transpose_b": .int(isTurned ? 1 : 0)])
    guard let bias = node.operandIfAny(2) else {
      return translation.emit(primitive, inputs, for: node)
    }
    let columns = translation.facts.of(weights).shape.flatMap {
      $0.count == 2 ? $0[isTurned ? 0 : 1] : nil
    }
    if bias.quantized != nil {
      inputs.append(try translation.plain(bias))
      return translation.emit(primitive, inputs, for: node)
    }
    if let data = translation.constant(bias), data.elementCount == columns {
      let flat = TensorData(
        elementType: data.elementType, dimensions: [data.elementCount], storage: data.storage)
      inputs.append(
        translation.add(
          try Constants.tensor(flat, name: translation.unique(bias.name), order: nil)))
      return translation.emit(primitive, inputs, for: node)
    }
    let product = translation.node(
      primitive, inputs, name: translation.unique(node.displayName + "_product"), type: .float32)
    translation.emit(
      MSLitePrimitive("AddFusion"), [product, try translation.plain(bias)], for: node)
  }
}
