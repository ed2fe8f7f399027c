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
      guard value.count == 1 else {
        throw KernelProblem("the attribute 'value' has \(value.count) elements instead of one")
      }
      let shape = try IntegerOperand(settings, input: 0)
      return { call in
        let result = try call.context.allocate(value.elementType, shape.required(call))
        gs_fill(result.target, value.start, value.width, result.count)
        return [result]
      }
    })

  private static let range = OperatorDefinition(
    "Range", types: "float, integers",
    tensors: { _ in
      wideningHalves { call in
        let start = try call.tensor(0)
        let limit = try call.tensor(1, start.elementType)
        let delta = try call.tensor(2, start.elementType)
        guard start.count == 1, limit.count == 1, delta.count == 1 else {
          throw KernelProblem("start, limit and delta are not one number each")
        }
        return [
          try start.elementType.visitNumber(
            RangeFilling(start: start, limit: limit, delta: delta, context: call.context))
        ]
      }
    })

  private struct RangeFilling: NumberVisitor {
    let start: Tensor
    let limit: Tensor
    let delta: Tensor
    let context: RunContext

    func visit<Element: NumberElement>(_ type: Element.Type) throws -> Tensor {
      let (first, last) = (start.elements(type)[0], limit.elements(type)[0])
      let step = delta.elements(type)[0]
      let count = ((last.asDouble - first.asDouble) / step.asDouble).rounded(.up)
      guard step != 0, count < 1e15 else {
        throw KernelProblem("a range from \(first) to \(last) in steps of \(step) has no end")
      }
      let result = try context.allocate(start.elementType, [Int(max(0, count))])
      let out = result.mutableElements(type)
      var next = first
      for place in 0..<out.count {
        out[place] = next
        if start.elementType.isFloat {
          next = Element(converting: first.asDouble + Double(place + 1) * step.asDouble)
        } else {
          next = next.addingProduct(wrapping: step, 1)
        }
      }
      return result
    }
  }

  private static let eyeLike = OperatorDefinition(
    "EyeLike", types: "float, integers, bool",
    tensors: { settings in
      let diagonal = try settings.int("k", default: 0)
      let type = try settings.int("dtype").map { try ElementType(numberTypeAttribute: $0) }
      return { call in
        let like = try call.tensor(0)
        guard like.rank == 2 else {
          throw KernelProblem("\(like.description) is not a matrix")
        }
        let result = try call.context.allocate(type ?? like.elementType, like.shape)
        let one = try call.context.allocate(result.elementType, [1], doubles: [1])
        result.target.initializeMemory(as: UInt8.self, repeating: 0, count: result.byteCount)
        let (rows, columns) = (like.shape[0], like.shape[1])
        let first = (row: max(0, -max(diagonal, -rows)), column: max(0, min(diagonal, columns)))
        let count = min(rows - first.row, columns - first.column)
        if count > 0 {
          gs_move_rows(
            one.start, 0, result.target + (first.row * columns + first.column) * result.width,
            (columns + 1) * result.width, count, result.width)
        }
        return [result]
      }
    })
}
