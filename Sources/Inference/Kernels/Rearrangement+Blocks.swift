import CKernels
import ModelGraph

extension Families {
  static let tile = OperatorDefinition(
    "Tile", types: "all", layouts: .any,
    tensors: { settings in
      let repeats = try IntegerOperand(settings, input: 1)
      return { call in
        let tensor = try call.tensor(0)
        let repeats = try repeats.required(call)
        guard repeats.count == tensor.rank, repeats.allSatisfy({ $0 >= 0 }) else {
          throw KernelProblem("\(tensor.description) cannot be repeated \(repeats) times")
        }
        if repeats.allSatisfy({ $0 == 1 }) { return [tensor] }
        let shape = try zip(tensor.shape, repeats).map { extent, times in
          let (product, overflow) = extent.multipliedReportingOverflow(by: times)
          if overflow { throw KernelProblem("\(extent) elements times \(times) are too many") }
          return product
        }
        let result = try call.context.allocate(tensor.elementType, shape, layout: tensor.layout)
        let strides = result.strides
        try Movement(
          extents: repeats + tensor.shape,
          from: [Int](repeating: 0, count: tensor.rank) + tensor.strides,
          to: tensor.shape.indices.map { tensor.shape[$0] &* strides[$0] } + strides
        ).run(tensor.start, to: result.target, width: tensor.width, call.context)
        return [result]
      }
    })

  static let depthToSpace = OperatorDefinition(
    "DepthToSpace", versions: "mode since 11", types: "all", layouts: .any,
    tensors: { settings in
      let size = try blockSize(settings)
      let mode = try settings.string("mode") ?? "DCR"
      guard mode == "DCR" || mode == "CRD" else {
        throw KernelProblem("'\(mode)' is not a mode of DepthToSpace")
      }
      return { call in
        let tensor = try call.tensor(0)
        guard tensor.rank == 4, tensor.shape[1] % size == 0,
          tensor.shape[1] / size % size == 0
        else {
          throw KernelProblem("\(tensor.description) has no channels of \(size)x\(size) blocks")
        }
        let channels = tensor.shape[1] / size / size
        let shape = [
          tensor.shape[0], channels, tensor.shape[2] &* size, tensor.shape[3] &* size,
        ]
        let result = try call.context.allocate(tensor.elementType, shape, layout: tensor.layout)
        let (from, to) = (tensor.strides, result.strides)
        let steps = mode == "DCR" ? (1, size &* channels, channels) : (size &* size, size, 1)
        try Movement(
          extents: [shape[0], channels, tensor.shape[2], size, tensor.shape[3], size],
          from: [
            from[0], from[1] &* steps.0, from[2], from[1] &* steps.1, from[3], from[1] &* steps.2,
          ],
          to: [to[0], to[1], to[2] &* size, to[2], to[3] &* size, to[3]]
        ).run(tensor.start, to: result.target, width: tensor.width, call.context)
        return [result]
      }
    })

  static let spaceToDepth = OperatorDefinition(
    "SpaceToDepth", types: "all", layouts: .any,
    tensors: { settings in
      let size = try blockSize(settings)
      return { call in
        let tensor = try call.tensor(0)
        guard tensor.rank == 4, tensor.shape[2] % size == 0, tensor.shape[3] % size == 0 else {
          throw KernelProblem("\(tensor.description) does not consist of \(size)x\(size) blocks")
        }
        let channels = tensor.shape[1]
        let shape = [
          tensor.shape[0], channels &* size &* size, tensor.shape[2] / size, tensor.shape[3] / size,
        ]
        let result = try call.context.allocate(tensor.elementType, shape, layout: tensor.layout)
        let (from, to) = (tensor.strides, result.strides)
        try Movement(
          extents: [shape[0], channels, shape[2], size, shape[3], size],
          from: [from[0], from[1], from[2] &* size, from[2], from[3] &* size, from[3]],
          to: [
            to[0], to[1], to[2], to[1] &* channels &* size, to[3], to[1] &* channels,
          ]
        ).run(tensor.start, to: result.target, width: tensor.width, call.context)
        return [result]
      }
    })

  private static func blockSize(_ settings: NodeSettings) throws -> Int {
    guard let size = try settings.int("blocksize"), (1...1 << 20).contains(size) else {
      throw KernelProblem("the attribute 'blocksize' is missing or not a size")
    }
    return size
  }

  static let reverseSequence = OperatorDefinition(
    "ReverseSequence", types: "all", layouts: .any,
    tensors: { settings in
      let batchAxis = try settings.int("batch_axis", default: 1)
      let timeAxis = try settings.int("time_axis", default: 0)
      return { call in
        let tensor = try call.tensor(0)
        let batchAxis = try resolvedAxis(batchAxis, rank: tensor.rank)
        let timeAxis = try resolvedAxis(timeAxis, rank: tensor.rank)
        let lengths = try call.integers(1) ?? []
        guard batchAxis != timeAxis, lengths.count == tensor.shape[batchAxis],
          lengths.allSatisfy({ (0...tensor.shape[timeAxis]).contains($0) })
        else {
          throw KernelProblem("the lengths \(lengths) do not fit \(tensor.description)")
        }
        let result = try call.context.allocate(
          tensor.elementType, tensor.shape, layout: tensor.layout)
        try reverse(
          tensor, into: result, lengths, batchAxis: batchAxis, timeAxis: timeAxis, call.context)
        return [result]
      }
    })

  private static func reverse(
    _ tensor: Tensor, into result: Tensor, _ lengths: [Int], batchAxis: Int, timeAxis: Int,
    _ context: RunContext
  ) throws {
    let strides = tensor.strides
    var backward = strides
    backward[timeAxis] = -strides[timeAxis]
    var extents = tensor.shape
    extents[batchAxis] = 1
    for (item, length) in lengths.enumerated() {
      let offset = item * strides[batchAxis]
      extents[timeAxis] = length
      let last = offset + max(0, length - 1) * strides[timeAxis]
      try Movement(extents: extents, from: backward, to: strides).run(
        tensor.start + last * tensor.width, to: result.target + offset * tensor.width,
        width: tensor.width, context)
      extents[timeAxis] = tensor.shape[timeAxis] - length
      let rest = (offset + length * strides[timeAxis]) * tensor.width
      try Movement(extents: extents, from: strides, to: strides).run(
        tensor.start + rest, to: result.target + rest, width: tensor.width, context)
    }
  }

  static let trilu = OperatorDefinition(
    "Trilu", types: "all",
    tensors: { settings in
      let keepsUpper = try settings.flag("upper", default: true)
      return { call in
        let tensor = try call.tensor(0)
        guard tensor.rank >= 2 else {
          throw KernelProblem("\(tensor.description) has no rows and columns")
        }
        let diagonal = try call.integers(1)?.first ?? 0
        let result = try call.context.allocate(tensor.elementType, tensor.shape)
        if result.count > 0 {
          keepTriangle(tensor, into: result, upper: keepsUpper, diagonal: diagonal)
        }
        return [result]
      }
    })

  private static func keepTriangle(
    _ tensor: Tensor, into result: Tensor, upper: Bool, diagonal: Int
  ) {
    let (rows, columns) = (tensor.shape[tensor.rank - 2], tensor.shape[tensor.rank - 1])
    let diagonal = max(-rows, min(columns, diagonal))
    let width = tensor.width
    for line in 0..<tensor.count / columns {
      let boundary = line % rows + diagonal + (upper ? 0 : 1)
      let split = max(0, min(columns, boundary)) * width
      let (source, target) = (
        tensor.start + line * columns * width, result.target + line * columns * width
      )
      let (copied, zeroed) =
        upper ? (split..<columns * width, 0..<split) : (0..<split, split..<columns * width)
      (target + copied.lowerBound).copyMemory(
        from: source + copied.lowerBound, byteCount: copied.count)
      (target + zeroed.lowerBound).initializeMemory(
        as: UInt8.self, repeating: 0, count: zeroed.count)
    }
  }
}
