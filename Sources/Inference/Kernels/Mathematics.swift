import CKernels
import ModelGraph

extension Families {
  /// Functions of one number.
  static let mathematics: [OperatorDefinition] =
    [
      numeric("Neg", GS_NEGATE, negated), numeric("Abs", GS_ABSOLUTE, absolute),
      numeric("Sign", GS_SIGN, sign),
      determinant,
    ] + ElementwiseFunctions.mathematics.map { .function($0) }

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
