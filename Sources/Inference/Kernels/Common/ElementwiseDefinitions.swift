import CKernels
import ModelGraph

extension OperatorDefinition {
  /// An operator that applies one function to every element of its only input.
  static func function(_ entry: ElementwiseFunctions.Entry) -> OperatorDefinition {
    OperatorDefinition(
      entry.name, domain: entry.domain, types: Elementwise.floatTypes, layouts: .any,
      tensors: { settings in
        let function = try entry.function(settings)
        return wideningHalves { call in [try Elementwise.apply(function, call)] }
      })
  }

  /// An operator that combines the elements of two inputs.
  static func combination(
    _ name: String, types: String = Elementwise.numberTypes, _ op: gs_binary
  ) -> OperatorDefinition {
    OperatorDefinition(
      name, types: types, layouts: .any,
      tensors: { _ in wideningHalves { call in [try Elementwise.combine(op, call)] } })
  }
}

extension Elementwise {
  /// What most functions compute with, for the manual.
  static let floatTypes = "float"
  /// What arithmetic computes with, for the manual.
  static let numberTypes = "all numbers"

  /// A tensor of one element and no axes.
  static func constant(
    _ value: Double, _ type: ElementType, _ context: RunContext
  ) throws -> Tensor {
    let wide = try context.allocate(.float64, [])
    wide.mutableElements(Double.self)[0] = value
    return try cast(wide, to: type, context)
  }

  /// The elements as another number type, as C converts them.
  static func cast(
    _ tensor: Tensor, to type: ElementType, _ context: RunContext
  ) throws -> Tensor {
    if tensor.elementType == type { return tensor }
    let (from, to) = (try tensor.elementType.number, try type.number)
    let result = try context.allocate(type, tensor.shape, layout: tensor.layout)
    gs_cast(from, to, tensor.storage.base, tensor.count, result.storage.base)
    return result
  }
}
