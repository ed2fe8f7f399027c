import ModelGraph

extension Families {
  /// Operators that put elements elsewhere.
  static let rearrangement =
    [transpose, concat, split, slice, tile, depthToSpace, spaceToDepth, trilu] + padding

  private static let transpose = OperatorDefinition(
    "Transpose", types: "all", layouts: .any,
    tensors: { settings in
      let permutation = try settings.ints("perm")
      return { call in
        let input = try call.tensor(0)
        let order = permutation ?? Array((0..<input.rank).reversed())
        guard order.count == input.rank, Set(order) == Set(0..<input.rank) else {
          throw KernelProblem("perm \(order) does not order the axes of \(input.description)")
        }
        return [transposed(input, order, call.context)]
      }
    })

  /// The tensor with its axes in another order. Between channels-first and channels-last shapes of
  /// a channels-last tensor nothing moves.
  static func transposed(_ input: Tensor, _ order: [Int], _ context: RunContext) -> Tensor {
    let shape = order.map { input.shape[$0] }
    if order == Array(0..<input.rank) { return input }
    if input.rank >= 3, input.layout == .channelsLast,
      order == Layout.channelsLast.axisOrder(rank: input.rank)
    {
      return Tensor(input.elementType, shape, storage: input.storage)
    }
    if input.rank >= 3, input.layout == .rowMajor,
      order == [0, input.rank - 1] + Array(1..<(input.rank - 1))
    {
      return Tensor(input.elementType, shape, layout: .channelsLast, storage: input.storage)
    }
    let result = context.allocate(input.elementType, shape)
    let place = StridedPlace(input)
    copyBlock(
      shape, from: input, StridedPlace(strides: order.map { place.strides[$0] }), to: result,
      StridedPlace(result))
    return result
  }

  private static let concat = OperatorDefinition(
    "Concat", types: "all", layouts: .any,
    tensors: { settings in
      let axis = try settings.int("axis", default: 1)
      return { call in [try concatenated(call.tensors(), axis: axis, call.context)] }
    })

  /// Tensors one behind the other along an axis.
  static func concatenated(_ tensors: [Tensor], axis: Int, _ context: RunContext) throws -> Tensor {
    guard let first = tensors.first else { throw KernelProblem("there is nothing to concatenate") }
    let axis = try resolvedAxis(axis, rank: first.rank)
    try checkRank(first.rank)
    var shape = first.shape
    shape[axis] = 0
    for tensor in tensors {
      var others = tensor.shape
      guard tensor.rank == first.rank, tensor.elementType == first.elementType else {
        throw KernelProblem("\(tensor.description) cannot follow \(first.description)")
      }
      others[axis] = first.shape[axis]
      guard others == first.shape else {
        throw KernelProblem(
          "\(tensor.description) cannot follow \(first.description) along axis \(axis)")
      }
      shape[axis] += tensor.shape[axis]
    }
    if tensors.count == 1 { return first }
    let isLast = tensors.contains { $0.layout == .channelsLast }
    let layout: Layout = isLast ? .channelsLast : .rowMajor
    let result = context.allocate(first.elementType, shape, layout: layout)
    var place = StridedPlace(result)
    for tensor in tensors {
      let source = tensor.converted(to: layout, context)
      copyBlock(tensor.shape, from: source, StridedPlace(source), to: result, place)
      place.offset += place.strides[axis] * tensor.shape[axis]
    }
    return result
  }

  private static let split = OperatorDefinition(
    "Split", versions: "split as an input since 13, num_outputs since 18", types: "all",
    layouts: .any,
    tensors: { settings in
      let axis = try settings.int("axis", default: 0)
      let attribute = try settings.ints("split")
      let count = try settings.int("num_outputs") ?? settings.outputCount
      return { call in
        let input = try call.tensor(0)
        let axis = try resolvedAxis(axis, rank: input.rank)
        try checkRank(input.rank)
        let extent = input.shape[axis]
        let each = (extent + max(1, count) - 1) / max(1, count)
        let sizes =
          try call.integers(1) ?? attribute
          ?? (0..<count).map { max(0, min(each, extent - $0 * each)) }
        guard sizes.allSatisfy({ $0 >= 0 && $0 <= extent }), sizes.reduce(0, +) == extent else {
          throw KernelProblem("splits \(sizes) do not add up to \(extent)")
        }
        var place = StridedPlace(input)
        return sizes.map { size in
          var shape = input.shape
          shape[axis] = size
          let result = call.context.allocate(input.elementType, shape, layout: input.layout)
          copyBlock(shape, from: input, place, to: result, StridedPlace(result))
          place.offset += place.strides[axis] * size
          return result
        }
      }
    })

  private static let slice = OperatorDefinition(
    "Slice", versions: "attributes before 10, inputs since", types: "all", layouts: .any,
    tensors: { settings in
      let starts = try settings.ints("starts")
      let ends = try settings.ints("ends")
      let axes = try settings.ints("axes")
      return { call in
        let input = try call.tensor(0)
        guard let starts = try call.integers(1) ?? starts, let ends = try call.integers(2) ?? ends
        else { throw KernelProblem("starts or ends are missing") }
        return [
          try sliced(
            input, starts: starts, ends: ends, axes: call.integers(3) ?? axes,
            steps: call.integers(4), call.context)
        ]
      }
    })

  private static func sliced(
    _ input: Tensor, starts: [Int], ends: [Int], axes: [Int]?, steps: [Int]?, _ context: RunContext
  ) throws -> Tensor {
    let axes = axes ?? Array(starts.indices)
    let steps = steps ?? [Int](repeating: 1, count: starts.count)
    guard starts.count == ends.count, axes.count == starts.count, steps.count == starts.count else {
      throw KernelProblem(
        "\(starts.count) starts, \(ends.count) ends, \(axes.count) axes and \(steps.count) steps do not match"
      )
    }
    try checkRank(input.rank)
    var shape = input.shape
    var place = StridedPlace(input)
    for index in starts.indices {
      let axis = try resolvedAxis(axes[index], rank: input.rank)
      let extent = input.shape[axis]
      let step = steps[index]
      guard step != 0 else { throw KernelProblem("a slice has the step 0") }
      // Steps beyond the extent pick one element, whatever their size.
      let pace = step > 0 ? min(step, extent + 1) : max(step, -extent - 1)
      func clamped(_ position: Int, _ range: ClosedRange<Int>) -> Int {
        let counted = position < 0 ? position + extent : position
        return min(max(counted, range.lowerBound), range.upperBound)
      }
      let range = step > 0 ? 0...extent : -1...max(-1, extent - 1)
      let first = clamped(starts[index], step > 0 ? 0...extent : 0...max(0, extent - 1))
      let last = clamped(ends[index], range)
      let distance = step > 0 ? last - first : first - last
      shape[axis] = extent == 0 ? 0 : max(0, (distance + abs(pace) - 1) / abs(pace))
      place.offset += first * place.strides[axis]
      place.strides[axis] *= pace
    }
    if shape == input.shape, steps.allSatisfy({ $0 > 0 }) { return input }
    let result = context.allocate(input.elementType, shape, layout: input.layout)
    copyBlock(shape, from: input, place, to: result, StridedPlace(result))
    return result
  }

  private static let tile = OperatorDefinition(
    "Tile", types: "all",
    tensors: { _ in
      { call in
        let input = try call.tensor(0)
        guard let repeats = try call.integers(1), repeats.count == input.rank,
          repeats.allSatisfy({ $0 >= 0 && $0 < 1 << 40 })
        else { throw KernelProblem("the repeats do not fit \(input.description)") }
        guard let count = TensorData.elementCount(of: input.shape + repeats), count < 1 << 40 else {
          throw KernelProblem("\(input.description) cannot be repeated \(repeats) times")
        }
        let shape = zip(input.shape, repeats).map(*)
        let result = call.context.allocate(input.elementType, shape)
        let source = StridedPlace(input)
        let target = StridedPlace(result)
        var extents: [Int] = []
        var from = StridedPlace(strides: [])
        var to = StridedPlace(strides: [])
        for axis in shape.indices {
          extents += [repeats[axis], input.shape[axis]]
          from.strides += [0, source.strides[axis]]
          to.strides += [target.strides[axis] * input.shape[axis], target.strides[axis]]
        }
        try checkRank(extents.count { $0 != 1 })
        copyBlock(extents, from: input, from, to: result, to)
        return [result]
      }
    })

  private static let depthToSpace = OperatorDefinition(
    "DepthToSpace", versions: "mode since 11", types: "all",
    tensors: { settings in
      let block = try blockSize(settings)
      let isColumnFirst = try settings.string("mode") == "CRD"
      return { call in
        let input = try call.tensor(0)
        guard input.rank == 4, input.shape[1] % (block * block) == 0 else {
          throw KernelProblem("\(input.description) has no channels for blocks of \(block)")
        }
        let (n, h, w) = (input.shape[0], input.shape[2], input.shape[3])
        let c = input.shape[1] / (block * block)
        let split = isColumnFirst ? [n, c, block, block, h, w] : [n, block, block, c, h, w]
        let order = isColumnFirst ? [0, 1, 4, 2, 5, 3] : [0, 3, 4, 1, 5, 2]
        return [
          transposed(input.reshaped(split), order, call.context)
            .reshaped([n, c, h * block, w * block])
        ]
      }
    })

  private static let spaceToDepth = OperatorDefinition(
    "SpaceToDepth", types: "all",
    tensors: { settings in
      let block = try blockSize(settings)
      return { call in
        let input = try call.tensor(0)
        guard input.rank == 4, input.shape[2] % block == 0, input.shape[3] % block == 0 else {
          throw KernelProblem("\(input.description) cannot be cut into blocks of \(block)")
        }
        let (n, c) = (input.shape[0], input.shape[1])
        let (h, w) = (input.shape[2] / block, input.shape[3] / block)
        return [
          transposed(input.reshaped([n, c, h, block, w, block]), [0, 3, 5, 1, 2, 4], call.context)
            .reshaped([n, c * block * block, h, w])
        ]
      }
    })

  private static func blockSize(_ settings: NodeSettings) throws -> Int {
    guard let block = try settings.int("blocksize"), block > 0, block < 1 << 16 else {
      throw KernelProblem("blocksize is missing or not positive")
    }
    return block
  }

  private static let trilu = OperatorDefinition(
    "Trilu", types: "all",
    tensors: { settings in
      let isUpper = try settings.flag("upper", default: true)
      return { call in
        let input = try call.tensor(0)
        guard input.rank >= 2 else { throw KernelProblem("\(input.description) is not a matrix") }
        let diagonal = Int(try call.scalar(1) ?? 0)
        let width = input.elementType.memoryWidth ?? 1
        let (rows, columns) = (input.shape[input.rank - 2], input.shape[input.rank - 1])
        let result = call.context.allocate(input.elementType, input.shape)
        let size = input.count * width
        UnsafeMutableRawBufferPointer(start: result.storage.base, count: size)
          .copyMemory(from: UnsafeRawBufferPointer(start: input.storage.base, count: size))
        for row in 0..<(columns == 0 ? 0 : input.count / columns) {
          let border = row % max(1, rows) &+ diagonal
          let cleared =
            isUpper ? 0..<min(max(border, 0), columns) : min(max(border &+ 1, 0), columns)..<columns
          (result.storage.base + (row * columns + cleared.lowerBound) * width)
            .initializeMemory(as: UInt8.self, repeating: 0, count: cleared.count * width)
        }
        return [result]
      }
    })
}
