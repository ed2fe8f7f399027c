import CKernels
import ModelGraph

extension Families {
  /// Operators that change elements' type, or nothing.
  static let casts: [OperatorDefinition] = [cast, castLike, identity, dropout]

  private static let cast = OperatorDefinition(
    "Cast", types: "all but float8 and complex", layouts: .any,
    tensors: { settings in
      guard let number = try settings.int("to") else {
        throw KernelProblem("the attribute 'to' is missing")
      }
      let type = ElementType(onnxCode: number)
      guard type.memoryWidth != nil else {
        throw KernelProblem(lacking: "casting to \(type.name) is not supported")
      }
      return { call in [try Casting.cast(try call.tensor(0), to: type, call.context)] }
    })

  private static let castLike = OperatorDefinition(
    "CastLike", types: "all but float8 and complex", layouts: .any,
    tensors: { _ in
      { call in
        [try Casting.cast(try call.tensor(0), to: try call.tensor(1).elementType, call.context)]
      }
    })

  private static let identity = OperatorDefinition(
    "Identity", types: "all, sequences and optionals", layouts: .any,
    values: { _ in
      { call in
        guard let value = call.inputs.first ?? nil else {
          throw KernelProblem("input 0 is missing")
        }
        return [value]
      }
    })

  private static let dropout = OperatorDefinition(
    "Dropout",
    versions:
      "a ratio as attribute and a mask of zeros before 12; a mask of the data's type before 10",
    types: "all", layouts: .any,
    tensors: { settings in
      let hasMask = settings.hasOutput(1)
      let maskIsBool = settings.version >= 10
      let mayTrain = settings.version >= 12
      return { call in
        let input = try call.tensor(0)
        if mayTrain, try isTraining(call), try call.scalar(1) ?? 0.5 != 0 {
          throw KernelProblem(lacking: "leaving out elements at random is not supported")
        }
        guard hasMask else { return [input] }
        let type = maskIsBool ? ElementType.bool : input.elementType
        let mask = try call.context.allocate(.bool, input.shape, layout: input.layout)
        mask.mutableElements(UInt8.self).update(repeating: mayTrain ? 1 : 0)
        return [input, try Casting.cast(mask, to: type, call.context)]
      }
    })

  private static func isTraining(_ call: KernelCall) throws -> Bool {
    try call.scalar(2) ?? 0 != 0
  }
}
