import Glibc
import ModelFormats
import ModelGraph
import Support

/// Normalizations.
enum Normalizations {
  static let translations: [String: OperatorTranslation] = [
    "LayerNormalization": layer, "BatchNormalization": batch,
  ]

  private static let layer: OperatorTranslation = { @Sendable (translation, node) throws(Failure) in
    let scale = try node.operand(1)
    guard let shape = translation.facts.of(scale).shape, !shape.contains(nil) else {
      throw node.refused("the shape of its factors isn't known")
    }
    if node.outputs.dropFirst().contains(where: { $0.map(translation.uses.isUsed) ?? false }) {
      throw node.refused("its means or deviations are used")
    }
    let axis = node.int("axis") ?? -1
    let extents = shape.compactMap { $0 }
    let offset =
      if let bias = node.operandIfAny(2) {
        try translation.plain(bias)
      } else {
        try translation.zeros(extents, for: node)
      }
    translation.emit(
      MSLitePrimitive(
        "LayerNormFusion",
        [
          "begin_norm_axis": .int(axis), "begin_params_axis": .int(axis),
          "epsilon": .float(node.float("epsilon") ?? 1e-5), "elementwise_affine": .int(1),
        ]),
      [try translation.plain(try node.operand(0)), try translation.plain(scale), offset],
      for: node)
  }

  /// `a x + b` for each channel, with `a = scale / sqrt(variance + epsilon)` and
  /// `b = bias - a mean` computed in double precision.
  private static let batch: OperatorTranslation = { @Sendable (translation, node) throws(Failure) in
    let value = try node.operand(0)
    let parameters = try (1...4).map { index throws(Failure) -> [Double] in
      guard let values = translation.constant(try node.operand(index))?.float32Values else {
        throw node.refused("its parameters are not constant")
      }
      return values.map { Double($0) }
    }
    let count = parameters[0].count
    guard parameters.allSatisfy({ $0.count == count }), count > 0 else {
      throw node.refused("its parameters have different lengths")
    }
    guard let rank = translation.rank(value), rank >= 2 else {
      throw node.refused("the rank of its input isn't known")
    }
    let epsilon = Double(node.float("epsilon") ?? 1e-5)
    let factors = (0..<count).map { parameters[0][$0] / sqrt(parameters[3][$0] + epsilon) }
    let offsets = (0..<count).map { parameters[1][$0] - factors[$0] * parameters[2][$0] }
    let order = AxisOrder([0] + Array(2..<rank) + [1])
    let scaled = translation.node(
      MSLitePrimitive("MulFusion"),
      [
        try translation.tensor(value, order),
        translation.floats(factors.map { Float($0) }, dimensions: [count]),
      ], name: translation.unique(node.displayName + "_scaled"), type: .float32)
    translation.emit(
      MSLitePrimitive("AddFusion"),
      [scaled, translation.floats(offsets.map { Float($0) }, dimensions: [count])], for: node,
      order: order)
  }
}
