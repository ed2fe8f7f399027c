import ModelGraph
import Support

/// Products with settings that the format doesn't have.
enum ProductForms {
  static let rewrites: [String: OperatorRewrite] = [
    "Gemm": gemm, "ConvTranspose": transposedConvolution,
  ]

  /// The most groups that are written one by one.
  private static let groupLimit = 256

  /// `alpha A B + beta C`, as `(alpha A) B + (beta C)`.
  private static let gemm: OperatorRewrite = { @Sendable (writer) throws(Failure) in
    let node = writer.node
    let (alpha, beta) = (node.float("alpha") ?? 1, node.float("beta") ?? 1)
    var left = try node.operand(0)
    var bias = node.operandIfAny(2)
    guard alpha != 1 || (bias != nil && beta != 1) else { return writer.keep() }
    if alpha != 1 { left = writer.add("Mul", [left, writer.number(alpha)]) }
    if let given = bias, beta != 1 {
      bias = beta == 0 ? nil : scaled(given, by: beta, &writer)
    }
    writer.finish(
      "Gemm", [left, try node.operand(1), bias],
      node.attributes.filter { !["alpha", "beta"].contains($0.name) })
  }

  private static func scaled(
    _ value: Value, by factor: Float, _ writer: inout NodeWriter
  ) -> Value {
    if let data = value.constant, !value.isOverridable, let last = data.dimensions.last,
      let product = data.multiplied(
        by: Array(repeating: Double(factor), count: last), along: data.dimensions.count - 1)
    {
      return writer.constant(product)
    }
    return writer.add("Mul", [value, writer.number(factor)])
  }

  /// The runtime's is wrong for groups of several channels: a convolution for each of them.
  private static let transposedConvolution: OperatorRewrite = {
    @Sendable (writer) throws(Failure) in
    let node = writer.node
    let groups = Int(clamping: node.int("group") ?? 1)
    let weights = try node.operand(1)
    guard groups > 1, let shape = writer.known(weights).shape, shape.count > 2,
      let inputs = shape[0], let outputs = shape[1], outputs != 1 || groups != inputs
    else { return writer.keep() }
    guard groups <= groupLimit, inputs % groups == 0 else {
      throw node.refused("it has \(groups) groups of several channels")
    }
    func part(_ value: Value, axis: Int, _ index: Int, of width: Int) -> Value {
      writer.add(
        "Slice",
        [
          value, writer.integers([index * width]), writer.integers([(index + 1) * width]),
          writer.integers([axis]),
        ])
    }
    let input = try node.operand(0)
    let settings = node.attributes.filter { $0.name != "group" }
    let parts = (0..<groups).map { index in
      var operands = [
        part(input, axis: 1, index, of: inputs / groups),
        part(weights, axis: 0, index, of: inputs / groups),
      ]
      if let bias = node.operandIfAny(2) {
        operands.append(part(bias, axis: 0, index, of: outputs))
      }
      return writer.add("ConvTranspose", operands, settings)
    }
    writer.finish("Concat", parts, [Attribute("axis", .int(1))])
  }
}
