import ModelGraph

extension Families {
  /// Constant in the forms that aren't a dense tensor (those are the model's constants already).
  static let constants = [
    OperatorDefinition(
      "Constant", versions: "value_int and its like since 12; sparse_value", types: "all",
      tensors: { settings in
        let pool = BufferPool()
        let data = try constantData(settings)
        let tensor = try Tensor(constant: data, pool: pool)
        return { _ in [tensor] }
      })
  ]

  private static func constantData(_ settings: NodeSettings) throws -> TensorData {
    for attribute in settings.node.attributes {
      switch (attribute.name, attribute.value) {
      case ("value", .tensor(let data)): return data
      case ("value_int", .int(let value)): return TensorData(int64: [value], isScalar: true)
      case ("value_ints", .ints(let values)): return TensorData(int64: values)
      case ("value_float", .float(let value)):
        return TensorData(float32: [value], isScalar: true)
      case ("value_floats", .floats(let values)): return TensorData(float32: values)
      case ("value_string", .string(let value)):
        return TensorData(elementType: .string, dimensions: [], storage: .strings([value]))
      case ("value_strings", .strings(let values)):
        return TensorData(
          elementType: .string, dimensions: [values.count], storage: .strings(values))
      default: continue
      }
    }
    throw KernelProblem(lacking: "a Constant of this form (a sparse tensor, say) is not supported")
  }
}
