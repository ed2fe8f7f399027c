import ModelFormats
import ModelGraph
import Support

/// Matrix products.
enum Products {
  static let translations: [String: OperatorTranslation] = [
    "MatMul": { @Sendable (translation, node) throws(Failure) in
      var inputs = [
        try translation.plain(try node.operand(0)), try translation.plain(try node.operand(1)),
      ]
      if let bias = node.operandIfAny(2) { inputs.append(try translation.plain(bias)) }
      translation.emit(MSLitePrimitive("MatMulFusion"), inputs, for: node)
    },
    "Gemm": gemm,
  ]

  private static let gemm: OperatorTranslation = { @Sendable (translation, node) throws(Failure) in
    guard (node.float("alpha") ?? 1) == 1 else { throw node.refused("alpha is not 1") }
    let weights = try node.operand(1)
    let isTurned = (node.int("transB") ?? 0) != 0
    var inputs = [
      try translation.plain(try node.operand(0)), try translation.plain(weights),
    ]
    let primitive = MSLitePrimitive(
      "MatMulFusion",
      ["transpose_a": .int(node.int("transA") ?? 0), "transpose_b": .int(isTurned ? 1 : 0)])
    guard let bias = node.operandIfAny(2) else {
      return translation.emit(primitive, inputs, for: node)
    }
    guard (node.float("beta") ?? 1) == 1 else { throw node.refused("beta is not 1") }
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
