import ModelGraph
import Support

/// Functions of single elements in terms of others.
enum FunctionForms {
  static let rewrites: [String: OperatorRewrite] = [
    "Softsign": softsign, "Selu": selu, "Celu": celu, "ThresholdedRelu": thresholded,
    "Mish": mish, "Swish": swish, "Sign": sign, "Xor": exclusiveOr, "IsNaN": isNaN,
    "IsInf": isInfinite, "Tan": tangent, "Sinh": hyperbolic(-1), "Cosh": hyperbolic(1),
    "Mean": mean,
  ]

  /// `x / (1 + |x|)`
  private static let softsign: OperatorRewrite = { @Sendable (writer) throws(Failure) in
    let x = try writer.node.operand(0)
    let size = writer.add("Abs", [x])
    writer.finish("Div", [x, writer.add("Add", [size, writer.number(1)])])
  }

  /// Elu and a factor.
  private static let selu: OperatorRewrite = { @Sendable (writer) throws(Failure) in
    let x = try writer.node.operand(0)
    let alpha = writer.node.float("alpha") ?? 1.673_263_2
    let curve = writer.add("Elu", [x], [Attribute("alpha", .float(alpha))])
    let gamma = writer.number(writer.node.float("gamma") ?? 1.050_701)
    writer.finish("Mul", [curve, gamma])
  }

  /// `alpha elu(x / alpha)`
  private static let celu: OperatorRewrite = { @Sendable (writer) throws(Failure) in
    let x = try writer.node.operand(0)
    let alpha = writer.node.float("alpha") ?? 1
    if alpha == 1 { return writer.finish("Elu", [x], [Attribute("alpha", .float(1))]) }
    let scaled = writer.add("Div", [x, writer.number(alpha)])
    let curve = writer.add("Elu", [scaled], [Attribute("alpha", .float(1))])
    writer.finish("Mul", [curve, writer.number(alpha)])
  }

  private static let thresholded: OperatorRewrite = { @Sendable (writer) throws(Failure) in
    let x = try writer.node.operand(0)
    let alpha = writer.number(writer.node.float("alpha") ?? 1)
    let isAbove = writer.add("Greater", [x, alpha])
    writer.finish("Where", [isAbove, x, writer.number(0)])
  }

  /// `x tanh(log(1 + e^x))`
  private static let mish: OperatorRewrite = { @Sendable (writer) throws(Failure) in
    let x = try writer.node.operand(0)
    let soft = writer.add("Softplus", [x])
    writer.finish("Mul", [x, writer.add("Tanh", [soft])])
  }

  /// `x / (1 + e^(-alpha x))`
  private static let swish: OperatorRewrite = { @Sendable (writer) throws(Failure) in
    let x = try writer.node.operand(0)
    let alpha = writer.node.float("alpha") ?? 1
    let scaled = alpha == 1 ? x : writer.add("Mul", [x, writer.number(alpha)])
    writer.finish("Mul", [x, writer.add("Sigmoid", [scaled])])
  }

  /// `(x > 0) - (x < 0)`
  private static let sign: OperatorRewrite = { @Sendable (writer) throws(Failure) in
    let x = try writer.node.operand(0)
    let type = writer.known(x).elementType ?? .float32
    guard [.float32, .int32, .int64].contains(type) else {
      throw writer.node.refused("its input is \(type.name)")
    }
    let zero =
      type == .float32
      ? writer.number(0) : writer.constant(TensorData(int64: [0], isScalar: true))
    let code = [Attribute("to", .int(Int64(type.onnxCode)))]
    let above = writer.add("Cast", [writer.add("Greater", [x, zero])], code)
    let below = writer.add("Cast", [writer.add("Less", [x, zero])], code)
    writer.finish("Sub", [above, below])
  }

  /// `(a or b) and not (a and b)`
  private static let exclusiveOr: OperatorRewrite = { @Sendable (writer) throws(Failure) in
    let operands = [try writer.node.operand(0), try writer.node.operand(1)]
    let both = writer.add("Not", [writer.add("And", operands)])
    writer.finish("And", [writer.add("Or", operands), both])
  }

  /// What doesn't equal itself.
  private static let isNaN: OperatorRewrite = { @Sendable (writer) throws(Failure) in
    let x = try writer.node.operand(0)
    writer.finish("Not", [writer.add("Equal", [x, x])])
  }

  private static let isInfinite: OperatorRewrite = { @Sendable (writer) throws(Failure) in
    let x = try writer.node.operand(0)
    let ends = [writer.node.int("detect_negative") ?? 1, writer.node.int("detect_positive") ?? 1]
    guard ends.contains(where: { $0 != 0 }) else { throw writer.node.refused("it finds nothing") }
    let largest = writer.number(Float.greatestFiniteMagnitude)
    if ends[0] == 0 { return writer.finish("Greater", [x, largest]) }
    let size = writer.add(ends[1] == 0 ? "Neg" : "Abs", [x])
    writer.finish("Greater", [size, largest])
  }

  private static let tangent: OperatorRewrite = { @Sendable (writer) throws(Failure) in
    let x = try writer.node.operand(0)
    writer.finish("Div", [writer.add("Sin", [x]), writer.add("Cos", [x])])
  }

  /// `(e^x + sign e^-x) / 2`
  private static func hyperbolic(_ sign: Float) -> OperatorRewrite {
    return { (writer: inout NodeWriter) throws(Failure) -> Void in
      let x = try writer.node.operand(0)
      let rising = writer.add("Exp", [x])
      let falling = writer.add("Exp", [writer.add("Neg", [x])])
      let both = writer.add(sign > 0 ? "Add" : "Sub", [rising, falling])
      writer.finish("Mul", [both, writer.number(0.5)])
    }
  }

  private static let mean: OperatorRewrite = { @Sendable (writer) throws(Failure) in
    let count = Float(writer.node.inputs.count)
    let sum = writer.add("Sum", writer.node.inputs)
    writer.finish("Mul", [sum, writer.number(1 / count)])
  }
}
