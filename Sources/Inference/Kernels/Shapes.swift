import CKernels
import ModelGraph

extension Families {
  /// Operators that say or change shapes, and nothing else.
  static let shapes = [shape, size, reshape, flatten, squeeze, unsqueeze, expand]

  private static let shape = OperatorDefinition(
    "Shape", versions: "start and end since 15", types: "all", layouts: .any,
    tensors: { settings in
      let start = try settings.int("start", default: 0)
      let end = try settings.int("end")
      return { call in
        guard case .tensor(let input)? = call.inputs.first ?? nil else {
          throw KernelProblem("input 0 is not a tensor")
        }
        let rank = input.rank
        func clamped(_ position: Int) -> Int {
          min(max(position < 0 ? position &+ rank : position, 0), rank)
        }
        let first = clamped(start)
        let last = max(first, clamped(end ?? rank))
        return [call.context.integers(input.shape[first..<last].map { Int64($0) })]
      }
    })

  private static let size = OperatorDefinition(
    "Size", types: "all", layouts: .any,
    tensors: { _ in
      { call in
        let count = try call.tensor(0).count
        return [call.context.integers([Int64(count)]).reshaped([])]
      }
    })

  private static let reshape = OperatorDefinition(
    "Reshape", versions: "allowzero since 14", types: "all",
    tensors: { settings in
      let allowsZero = try settings.flag("allowzero")
      let attribute = try settings.ints("shape")
      return { call in
        let input = try call.tensor(0)
        guard let wanted = try call.integers(1) ?? attribute else {
          throw KernelProblem("the shape is missing")
        }
        return [input.reshaped(try resolve(wanted, of: input, allowsZero: allowsZero))]
      }
    })

  /// Fills in the extents that a shape leaves open: 0 keeps an extent, -1 takes what is left.
  private static func resolve(_ wanted: [Int], of input: Tensor, allowsZero: Bool) throws -> [Int] {
    var shape = wanted
    for axis in shape.indices where shape[axis] == 0 && !allowsZero {
      guard axis < input.rank else {
        throw KernelProblem(
          "the shape \(wanted) keeps axis \(axis), which \(input.description) lacks")
      }
      shape[axis] = input.shape[axis]
    }
    let open = shape.indices.filter { shape[$0] == -1 }
    let known = TensorData.elementCount(of: shape.filter { $0 != -1 })
    guard open.count <= 1, let known else {
      throw KernelProblem("the shape \(wanted) cannot be resolved")
    }
    if let axis = open.first {
      guard known > 0, input.count % known == 0 else {
        throw KernelProblem("\(input.description) does not fit the shape \(wanted)")
      }
      shape[axis] = input.count / known
    } else if known != input.count {
      throw KernelProblem("\(input.description) does not fit the shape \(wanted)")
    }
    return shape
  }

  private static let flatten = OperatorDefinition(
    "Flatten", types: "all",
    tensors: { settings in
      let axis = try settings.int("axis", default: 1)
      return { call in
        let input = try call.tensor(0)
        let split = axis < 0 ? axis + input.rank : axis
        guard (0...input.rank).contains(split) else {
          throw KernelProblem("axis \(axis) does not exist in \(input.description)")
        }
        let outer = input.shape[..<split].reduce(1, *)
        return [input.reshaped([outer, input.shape[split...].reduce(1, *)])]
      }
    })

  private static let squeeze = OperatorDefinition(
    "Squeeze", versions: "axes as an input since 13", types: "all",
    tensors: { settings in
      let attribute = try settings.ints("axes")
      return { call in
        let input = try call.tensor(0)
        guard let axes = try call.integers(1) ?? attribute else {
          return [input.reshaped(input.shape.filter { $0 != 1 })]
        }
        let dropped = Set(try axes.map { try resolvedAxis($0, rank: input.rank) })
        guard dropped.allSatisfy({ input.shape[$0] == 1 }) else {
          throw KernelProblem("axes \(axes) of \(input.description) are not all of extent 1")
        }
        let kept = input.shape.indices.filter { !dropped.contains($0) }
        return [input.reshaped(kept.map { input.shape[$0] })]
      }
    })

  private static let unsqueeze = OperatorDefinition(
    "Unsqueeze", versions: "axes as an input since 13", types: "all",
    tensors: { settings in
      let attribute = try settings.ints("axes")
      return { call in
        let input = try call.tensor(0)
        guard let axes = try call.integers(1) ?? attribute else {
          throw KernelProblem("the axes are missing")
        }
        let rank = input.rank + axes.count
        let added = Set(try axes.map { try resolvedAxis($0, rank: rank) })
        guard added.count == axes.count else { throw KernelProblem("axes \(axes) repeat") }
        var rest = input.shape.makeIterator()
        return [input.reshaped((0..<rank).map { added.contains($0) ? 1 : rest.next() ?? 1 })]
      }
    })

  private static let expand = OperatorDefinition(
    "Expand", types: "all",
    tensors: { _ in
      { call in
        let input = try call.tensor(0)
        guard let wanted = try call.integers(1), wanted.allSatisfy({ $0 >= 0 }) else {
          throw KernelProblem("the shape to expand to is missing or negative")
        }
        let shape = try broadcastShape(input.shape, wanted)
        if shape == input.shape { return [input] }
        guard TensorData.elementCount(of: shape).map({ $0 < 1 << 40 }) ?? false else {
          throw KernelProblem("the output would be \(shape)")
        }
        try checkRank(shape.count)
        let result = call.context.allocate(input.elementType, shape)
        copyBlock(
          shape, from: input, StridedPlace(strides: broadcastStrides(input.shape, to: shape)),
          to: result, StridedPlace(result))
        return [result]
      }
    })
}

extension RunContext {
  /// A one-dimensional tensor of 64-bit integers.
  func integers(_ values: [Int64]) -> Tensor {
    let result = allocate(.int64, [values.count])
    let out = result.mutableElements(Int64.self)
    for (index, value) in values.enumerated() { out[index] = value }
    return result
  }
}
