import CKernels
import ModelGraph

extension Families {
  /// Functions of one number.
  static let mathematics: [OperatorDefinition] =
    [
      numeric("Neg", GS_NEGATE, negated), numeric("Abs", GS_ABSOLUTE, absolute),
      numeric("Sign", GS_SIGN, sign),
      .function("Reciprocal", GS_RECIPROCAL), .function("Sqrt", GS_SQUARE_ROOT),
      .function("Exp", GS_EXP), .function("Log", GS_LOG), .function("Floor", GS_FLOOR),
      .function("Ceil", GS_CEIL), .function("Round", GS_ROUND), .function("Erf", GS_ERF),
    ] + trigonometry + [determinant]

  private static let trigonometry: [OperatorDefinition] = [
    .function("Sin", GS_SIN), .function("Cos", GS_COS), .function("Tan", GS_TAN),
    .function("Asin", GS_ASIN), .function("Acos", GS_ACOS), .function("Atan", GS_ATAN),
    .function("Sinh", GS_SINH), .function("Cosh", GS_COSH), .function("Tanh", GS_TANH),
    .function("Asinh", GS_ASINH), .function("Acosh", GS_ACOSH), .function("Atanh", GS_ATANH),
  ]

  /// A function of floating-point numbers that integers have, too.
  static func numeric(
    _ name: String, _ code: gs_function,
    _ integers: @escaping @Sendable (Tensor, RunContext) throws -> Tensor
  ) -> OperatorDefinition {
    OperatorDefinition(
      name, types: Elementwise.numberTypes, layouts: .any,
      tensors: { _ in
        wideningHalves { call in
          if try call.tensor(0).elementType.isFloat {
            return [try Elementwise.apply(.init(code), call)]
          }
          return [try integers(try call.tensor(0), call.context)]
        }
      })
  }

  @Sendable private static func negated(
    _ tensor: Tensor, _ context: RunContext
  ) throws -> Tensor {
    let zero = try Elementwise.constant(0, tensor.elementType, context)
    return try Elementwise.combine(GS_SUBTRACT, zero, tensor, context)
  }

  @Sendable private static func absolute(
    _ tensor: Tensor, _ context: RunContext
  ) throws -> Tensor {
    guard try tensor.elementType.number.rawValue < GS_UINT8.rawValue else { return tensor }
    return try Elementwise.combine(GS_MAXIMUM, tensor, try negated(tensor, context), context)
  }

  @Sendable private static func sign(_ tensor: Tensor, _ context: RunContext) throws -> Tensor {
    let type = tensor.elementType
    let isSigned = try type.number.rawValue < GS_UINT8.rawValue
    let low = try Elementwise.constant(isSigned ? -1 : 0, type, context)
    let high = try Elementwise.constant(1, type, context)
    let raised = try Elementwise.combine(GS_MAXIMUM, tensor, low, context)
    return try Elementwise.combine(GS_MINIMUM, raised, high, context)
  }
}
