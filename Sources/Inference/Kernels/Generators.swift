import CKernels
import ModelGraph

extension Families {
  /// Operators that make tensors from a shape or a few numbers.
  static let generators = [constantOfShape, range, eyeLike]

  private static let constantOfShape = OperatorDefinition(
    "ConstantOfShape", types: "all",
    tensors: { settings in
      let value: Tensor
      if case .tensor(let data)? = settings.node.attribute("value") {
        value = try Tensor(constant: data)
      } else {
        value = try Tensor(constant: TensorData(float32: [0]))
      }
      guard value.count == 1 else { throw KernelProblem("value has \(value.count) elements") }
      return { call in
        guard let shape = try call.integers(0), let count = TensorData.elementCount(of: shape),
          count < 1 << 40
        else { throw KernelProblem("the shape cannot be") }
        let result = call.context.allocate(value.elementType, shape)
        gs_fill(
          result.storage.base, count, value.storage.base, value.elementType.memoryWidth ?? 1)
        return [result]
      }
    })

  private static let range = OperatorDefinition(
    "Range", types: "float, integer",
    tensors: { _ in
      { call in
        let start = try call.tensor(0)
        guard let first = try call.scalar(0), let limit = try call.scalar(1),
          let step = try call.scalar(2), step != 0
        else { throw KernelProblem("start, limit or delta is missing, or delta is 0") }
        let count = ((limit - first) / step).rounded(.up)
        guard count < 1e12 else { throw KernelProblem("the range has \(count) elements") }
        let result = call.context.allocate(start.elementType, [max(0, Int(count))])
        try start.elementType.visitNumber(
          RangeFiller(start: start, step: try call.tensor(2), result: result))
        return [result]
      }
    })

  private struct RangeFiller: NumberVisitor {
    let start: Tensor
    let step: Tensor
    let result: Tensor

    func visit<Element: NumberElement>(_ type: Element.Type) throws {
      guard step.elementType == start.elementType else {
        throw KernelProblem("start and delta are of different types")
      }
      let out = result.mutableElements(type)
      let first = start.elements(type)[0]
      let delta = step.elements(type)[0]
      for index in 0..<out.count {
        out[index] = first.addingProduct(wrapping: Element(converting: Double(index)), delta)
      }
    }
  }

  private static let eyeLike = OperatorDefinition(
    "EyeLike", types: "float, integer, bool",
    tensors: { settings in
      let diagonal = try settings.int("k", default: 0)
      let type = try settings.int("dtype").map { try ElementType(numberTypeAttribute: $0) }
      return { call in
        let input = try call.tensor(0)
        guard input.rank == 2 else { throw KernelProblem("\(input.description) is not a matrix") }
        let columns = input.shape[1]
        let values = (0..<input.count).map { index in
          index % columns == index / columns &+ diagonal ? 1.0 : 0.0
        }
        return [try call.context.allocate(type ?? input.elementType, input.shape, doubles: values)]
      }
    })
}
