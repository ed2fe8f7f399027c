import CKernels
import ModelGraph

extension Families {
  static let concat = OperatorDefinition(
    "Concat", versions: "negative axis since 11", types: "all", layouts: .any,
    tensors: { settings in
      guard let axis = try settings.int("axis") else {
        throw KernelProblem("the attribute 'axis' is missing")
      }
      return { call in
        if axis == 0 || axis == -1, let list = try joinedLists(call) { return [list] }
        return [try joined(call.tensors(), axis: axis, call.context)]
      }
    })

  /// Short lists of 64-bit integers behind one another, as shapes are put together; nil for
  /// anything else.
  private static func joinedLists(_ call: KernelCall) throws -> Tensor? {
    var count = 0
    for input in call.inputs {
      guard case .tensor(let list)? = input, list.rank == 1, list.elementType == .int64,
        list.count <= 64
      else { return nil }
      count += list.count
    }
    let result = try call.context.allocate(.int64, [count])
    var target = result.target
    for case .tensor(let list)? in call.inputs {
      target.copyMemory(from: list.start, byteCount: list.byteCount)
      target += list.byteCount
    }
    return result
  }

  /// Tensors behind one another along an axis, in the layout that most elements have already.
  static func joined(_ tensors: [Tensor], axis: Int, _ context: RunContext) throws -> Tensor {
    guard let first = tensors.first else { throw KernelProblem("there is nothing to join") }
    let axis = try resolvedAxis(axis, rank: first.rank)
    if tensors.count == 1 { return first }
    var shape = first.shape
    shape[axis] = 0
    var channelsLastElements = 0
    for tensor in tensors {
      guard tensor.elementType == first.elementType, fits(tensor.shape, shape, axis: axis) else {
        throw KernelProblem(
          "\(first.description) and \(tensor.description) cannot be joined along axis \(axis)")
      }
      shape[axis] &+= tensor.shape[axis]
      if tensor.layout == .channelsLast { channelsLastElements += 2 * tensor.count }
    }
    let total = shape.reduce(1, &*)
    let result = try context.allocate(
      first.elementType, shape, layout: channelsLastElements > total ? .channelsLast : .rowMajor)
    var place = 0
    for tensor in tensors where tensor.count > 0 {
      try put(tensor, into: result, axis: axis, at: place, context)
      place += tensor.shape[axis]
    }
    return result
  }

  private static func fits(_ shape: [Int], _ wanted: [Int], axis: Int) -> Bool {
    guard shape.count == wanted.count else { return false }
    for other in shape.indices where other != axis && shape[other] != wanted[other] {
      return false
    }
    return true
  }

  /// Writes a tensor into its range of a larger one.
  private static func put(
    _ tensor: Tensor, into result: Tensor, axis: Int, at place: Int, _ context: RunContext
  ) throws {
    let width = result.width
    guard tensor.layout == result.layout else {
      let strides = result.strides
      return try Movement(extents: tensor.shape, from: tensor.strides, to: strides).run(
        tensor.start, to: result.target + place * strides[axis] * width, width: width, context)
    }
    let (rows, inner) = frame(of: result.shape, layout: result.layout, axis: axis)
    let run = tensor.shape[axis] * inner * width
    try moveRows(
      tensor.start, stride: run, to: result.target + place * inner * width,
      stride: result.shape[axis] * inner * width, rows: rows, run: run, context)
  }

  /// How often an axis is run through in memory, and how many elements lie at each of its places.
  static func frame(
    of shape: [Int], layout: Layout, axis: Int
  ) -> (rows: Int, inner: Int) {
    if layout == .channelsLast {
      let order = layout.axisOrder(rank: shape.count)
      let place = layout.physicalAxis(axis, rank: shape.count)
      return (
        order[..<place].reduce(1) { $0 &* shape[$1] },
        order[(place + 1)...].reduce(1) { $0 &* shape[$1] }
      )
    }
    var (rows, inner) = (1, 1)
    for other in 0..<axis { rows &*= shape[other] }
    for other in (axis + 1)..<max(axis + 1, shape.count) { inner &*= shape[other] }
    return (rows, inner)
  }

  static let split = OperatorDefinition(
    "Split", versions: "lengths as an attribute before 13; num_outputs since 18", types: "all",
    layouts: .any,
    tensors: { settings in
      let axis = try settings.int("axis", default: 0)
      let lengths = try IntegerOperand(settings, input: 1, attribute: "split")
      let parts = try settings.int("num_outputs") ?? settings.outputCount
      let isUneven = settings.version >= 18
      let outputCount = settings.outputCount
      return { call in
        let tensor = try call.tensor(0)
        let axis = try resolvedAxis(axis, rank: tensor.rank)
        let extent = tensor.shape[axis]
        let lengths =
          try lengths.read(call) ?? equalLengths(of: extent, parts: parts, isUneven: isUneven)
        guard lengths.count == outputCount else {
          throw KernelProblem("\(lengths.count) parts for \(outputCount) outputs")
        }
        return try parted(tensor, axis: axis, lengths, call.context)
      }
    })

  private static func equalLengths(of extent: Int, parts: Int, isUneven: Bool) throws -> [Int] {
    guard parts > 0, parts <= max(1, extent) || isUneven && parts <= 1 << 20,
      isUneven || extent % parts == 0
    else { throw KernelProblem("\(extent) elements cannot be split into \(parts) equal parts") }
    let length = (extent + parts - 1) / parts
    return (0..<parts).map { max(0, min(length, extent - $0 * length)) }
  }

  /// Pieces of a tensor along an axis, in its layout.
  static func parted(
    _ tensor: Tensor, axis: Int, _ lengths: [Int], _ context: RunContext
  ) throws -> [Tensor] {
    let extent = tensor.shape[axis]
    var rest = extent
    for length in lengths {
      guard length >= 0, length <= rest else {
        throw KernelProblem("lengths \(lengths) do not sum up to the extent \(extent)")
      }
      rest -= length
    }
    guard rest == 0 else {
      throw KernelProblem("lengths \(lengths) do not sum up to the extent \(extent)")
    }
    if lengths.count == 1 { return [tensor] }
    let (rows, inner) = frame(of: tensor.shape, layout: tensor.layout, axis: axis)
    let step = inner * tensor.width
    var shape = tensor.shape
    var place = 0
    return try lengths.map { length in
      shape[axis] = length
      let part = try context.allocate(tensor.elementType, shape, layout: tensor.layout)
      if part.count > 0 {
        try moveRows(
          tensor.start + place * step, stride: extent * step, to: part.target,
          stride: length * step, rows: rows, run: length * step, context)
      }
      place += length
      return part
    }
  }
}
