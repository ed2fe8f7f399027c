import ModelGraph

extension Families {
  /// Operators that look at shapes or change nothing but them.
  static let shapes = [shape, size, reshape, flatten, squeeze, unsqueeze, expand]

  private static let shape = OperatorDefinition(
    "Shape", versions: "start and end since 15", types: "all", layouts: .any,
    tensors: { settings in
      let start = try settings.int("start", default: 0)
      let end = try settings.int("end", default: .max)
      return { call in
        let shape = try call.tensor(0).shape
        let first = boundary(start, rank: shape.count)
        let last = max(first, boundary(end, rank: shape.count))
        let result = try call.context.allocate(.int64, [last - first])
        let out = result.mutableElements(Int64.self)
        for axis in first..<last { out[axis - first] = Int64(shape[axis]) }
        return [result]
      }
    })

  private static func boundary(_ axis: Int, rank: Int) -> Int {
    max(0, min(rank, axis < 0 ? axis + rank : axis))
  }

  private static let size = OperatorDefinition(
    "Size", types: "all", layouts: .any,
    tensors: { _ in
      { call in
        let result = try call.context.allocate(.int64, [])
        result.mutableElements(Int64.self)[0] = Int64(try call.tensor(0).count)
        return [result]
      }
    })

  private static let reshape = OperatorDefinition(
    "Reshape", versions: "allowzero since 14", types: "all", layouts: .any,
    tensors: { settings in
      let wanted = try IntegerOperand(settings, input: 1, attribute: "shape")
      let keepsZeros = try settings.flag("allowzero")
      return { call in
        let tensor = try call.tensor(0)
        let shape = try reshapedShape(
          tensor.shape, count: tensor.count, to: wanted.required(call), keepsZeros: keepsZeros)
        return try [tensor.viewed(shape, call.context)]
      }
    })

  /// The shape Reshape makes: 0 copies an extent unless zeros are kept, one -1 takes what is left.
  private static func reshapedShape(
    _ shape: [Int], count: Int, to wanted: [Int], keepsZeros: Bool
  ) throws -> [Int] {
    var result = wanted
    var open: Int?
    var known = 1
    for axis in wanted.indices {
      if result[axis] == 0, !keepsZeros {
        guard axis < shape.count else {
          throw KernelProblem("the shape \(wanted) copies axis \(axis), which \(shape) lacks")
        }
        result[axis] = shape[axis]
      }
      if result[axis] == -1, open == nil {
        open = axis
      } else {
        let (product, overflow) = known.multipliedReportingOverflow(by: result[axis])
        guard !overflow, result[axis] >= 0 else {
          throw KernelProblem("\(wanted) is not a shape")
        }
        known = product
      }
    }
    if let open { result[open] = known == 0 ? 0 : count / known }
    guard TensorData.elementCount(of: result) == count else {
      throw KernelProblem("\(count) elements of shape \(shape) do not fit the shape \(wanted)")
    }
    return result
  }

  private static let flatten = OperatorDefinition(
    "Flatten", versions: "negative axis since 11", types: "all",
    tensors: { settings in
      let axis = try settings.int("axis", default: 1)
      return { call in
        let tensor = try call.tensor(0)
        let split = axis < 0 ? axis + tensor.rank : axis
        guard (0...tensor.rank).contains(split) else {
          throw KernelProblem("axis \(axis) does not exist in a tensor with \(tensor.rank) axes")
        }
        let shape = [
          tensor.shape[..<split].reduce(1, &*), tensor.shape[split...].reduce(1, &*),
        ]
        return [tensor.reshaped(shape)]
      }
    })

  private static let squeeze = OperatorDefinition(
    "Squeeze", versions: "axes as an attribute before 13, as an input since", types: "all",
    layouts: .any,
    tensors: { settings in
      let axes = try IntegerOperand(settings, input: 1, attribute: "axes")
      return { call in
        let tensor = try call.tensor(0)
        guard let axes = try axes.read(call) else {
          return try [tensor.viewed(tensor.shape.filter { $0 != 1 }, call.context)]
        }
        var shape = tensor.shape
        for axis in axes {
          let resolved = try resolvedAxis(axis, rank: shape.count)
          guard tensor.shape[resolved] == 1 else {
            throw KernelProblem(
              "axis \(axis) of \(tensor.description) has \(tensor.shape[resolved]) elements, not one"
            )
          }
          shape[resolved] = -1
        }
        shape.removeAll { $0 < 0 }
        return try [tensor.viewed(shape, call.context)]
      }
    })

  private static let unsqueeze = OperatorDefinition(
    "Unsqueeze", versions: "axes as an attribute before 13, as an input since", types: "all",
    layouts: .any,
    tensors: { settings in
      let axes = try IntegerOperand(settings, input: 1, attribute: "axes")
      return { call in
        let tensor = try call.tensor(0)
        return [try tensor.viewed(try unsqueezed(tensor.shape, axes.required(call)), call.context)]
      }
    })

  private static func unsqueezed(_ shape: [Int], _ axes: [Int]) throws -> [Int] {
    var result = [Int](repeating: 0, count: shape.count + axes.count)
    for axis in axes {
      let resolved = try resolvedAxis(axis, rank: result.count)
      guard result[resolved] == 0 else { throw KernelProblem("axes \(axes) repeat an axis") }
      result[resolved] = 1
    }
    var next = 0
    for axis in result.indices where result[axis] == 0 {
      result[axis] = shape[next]
      next += 1
    }
    return result
  }

  private static let expand = OperatorDefinition(
    "Expand", types: "all", layouts: .any,
    tensors: { settings in
      let wanted = try IntegerOperand(settings, input: 1)
      return { call in
        let tensor = try call.tensor(0)
        return [try expanded(tensor, to: wanted.required(call), call.context)]
      }
    })

  private static func expanded(
    _ given: Tensor, to wanted: [Int], _ context: RunContext
  ) throws -> Tensor {
    let shape = try broadcastShape(given.shape, wanted)
    if shape == given.shape { return given }
    let tensor = try shape.count == given.rank ? given : given.converted(to: .rowMajor, context)
    let result = try context.allocate(tensor.elementType, shape, layout: tensor.layout)
    let missing = shape.count - tensor.rank
    let strides = tensor.strides
    let from = shape.indices.map { axis in
      axis < missing || tensor.shape[axis - missing] == 1 ? 0 : strides[axis - missing]
    }
    try Movement(extents: shape, from: from, to: result.strides).run(
      tensor.start, to: result.target, width: tensor.width, context)
    return result
  }
}

extension RunContext {
  /// A one-dimensional tensor of 64-bit integers.
  func integers(_ values: [Int64]) throws -> Tensor {
    let result = try allocate(.int64, [values.count])
    _ = result.mutableElements(Int64.self).update(fromContentsOf: values)
    return result
  }
}
