import ModelGraph

extension ElementType {
  /// The real number type that an attribute gives by its number in ONNX's list of types.
  ///
  /// - Throws: a number that stands for something else.
  init(numberTypeAttribute number: Int) throws {
    self.init(onnxCode: number)
    switch self {
    case .undefined, .string, .complex64, .complex128, .int4, .uint4, .other:
      throw KernelProblem("the type with the number \(number) is not a number type")
    default: break
    }
  }
}

extension RunContext {
  /// A row-major tensor of numbers made from doubles, as a C cast makes them.
  ///
  /// - Throws: a type that isn't a number type.
  func allocate(_ type: ElementType, _ shape: [Int], doubles: [Double]) throws -> Tensor {
    let result = try allocate(type, shape)
    try result.setDoubles(doubles)
    return result
  }
}

extension Tensor {
  /// Stores doubles as this tensor's elements, as a C cast makes them.
  ///
  /// - Precondition: as many as the tensor has, and it was just allocated.
  func setDoubles(_ values: [Double]) throws {
    precondition(values.count == count)
    switch elementType {
    case .float16, .bfloat16:
      let out = mutableElements(UInt16.self)
      for (index, value) in values.enumerated() {
        out[index] = elementType == .float16 ? Float(value).halfBits : Float(value).bfloatBits
      }
    case .bool:
      let out = mutableElements(UInt8.self)
      for (index, value) in values.enumerated() { out[index] = value != 0 ? 1 : 0 }
    default: try elementType.visitNumber(DoubleStore(tensor: self, values: values))
    }
  }
}

private struct DoubleStore: NumberVisitor {
  let tensor: Tensor
  let values: [Double]

  func visit<Element: NumberElement>(_ type: Element.Type) {
    let out = tensor.mutableElements(Element.self)
    for (index, value) in values.enumerated() { out[index] = Element(converting: value) }
  }
}
