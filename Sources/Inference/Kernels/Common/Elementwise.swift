import CKernels
import ModelGraph

/// Elementwise operations on whole tensors, of any layout.
enum Elementwise {
  /// A function of one number and its settings.
  struct Function: Sendable {
    let code: gs_function
    var p: Double = 0
    var q: Double = 0

    init(_ code: gs_function, _ p: Float = 0, _ q: Float = 0) {
      self.code = code
      self.p = Double(p)
      self.q = Double(q)
    }
  }

  /// Elements that one turn of a worker computes.
  private static let share = 1 << 14

  /// `function` of every element of the call's input, in its memory where that may be written to.
  static func apply(
    _ function: Function, _ call: KernelCall, input: Int = 0
  ) throws -> Tensor {
    let type = try call.tensor(input).elementType
    let result = call.takeForWriting(input, type)
    return try apply(function, try call.tensor(input), into: result, call.context)
  }

  /// `function` of every element of a float32 or float64 tensor.
  ///
  /// - Parameter result: memory for the result, which may be the tensor's own.
  static func apply(
    _ function: Function, _ tensor: Tensor, into result: Tensor? = nil, _ context: RunContext
  ) throws -> Tensor {
    let result =
      try result ?? context.allocate(tensor.elementType, tensor.shape, layout: tensor.layout)
    nonisolated(unsafe) let from = tensor.storage.base
    nonisolated(unsafe) let to = result.storage.base
    let count = tensor.count
    let parts = (count + share - 1) / share
    switch tensor.elementType {
    case .float32:
      try context.forEach(parts, cost: share) { part in
        let start = part * share
        gs_apply(
          function.code, from.assumingMemoryBound(to: Float.self) + start,
          min(share, count - start), Float(function.p), Float(function.q),
          to.assumingMemoryBound(to: Float.self) + start)
      }
    case .float64:
      try context.forEach(parts, cost: share * 8) { part in
        let start = part * share
        gs_apply_double(
          function.code, from.assumingMemoryBound(to: Double.self) + start,
          min(share, count - start), function.p, function.q,
          to.assumingMemoryBound(to: Double.self) + start)
      }
    default:
      throw KernelProblem(
        lacking: "\(tensor.elementType.name) is not a type this operator computes with")
    }
    return result
  }

  /// `left op right`, each repeated to the common shape.
  ///
  /// - Parameter isFree: whether an operand's memory may take the result.
  static func combine(
    _ op: gs_binary, _ left: Tensor, _ right: Tensor,
    isFree: (left: Bool, right: Bool) = (false, false), _ context: RunContext
  ) throws -> Tensor {
    let number = try commonNumber(left, right)
    let plan = try Broadcast([.init(left), .init(right)])
    let a = try plan.aligned(left, context)
    let b = try plan.aligned(right, context)
    let result =
      try plan.reused(left, a, isFree.left) ?? plan.reused(right, b, isFree.right)
      ?? context.allocate(left.elementType, plan.shape, layout: plan.layout)
    let width = left.elementType.memoryWidth ?? 1
    nonisolated(unsafe) let (first, second) = (a.storage.base, b.storage.base)
    nonisolated(unsafe) let to = result.storage.base
    try plan.forEachBlock(context) { block in
      gs_combine(
        op, number, block.rows, block.count, plan.operand(0, first, block, width),
        plan.operand(1, second, block, width), to + block.output * width)
    }
    return result
  }

  /// The same for two inputs of a call, in the memory of one where that may be written to.
  static func combine(_ op: gs_binary, _ call: KernelCall) throws -> Tensor {
    let types = (try call.tensor(0).elementType, try call.tensor(1).elementType)
    let isFree = (
      left: call.takeForWriting(0, types.0) != nil, right: call.takeForWriting(1, types.1) != nil
    )
    return try combine(op, try call.tensor(0), try call.tensor(1), isFree: isFree, call.context)
  }

  /// Which elements of two tensors stand in a relation.
  static func compare(
    _ op: gs_comparison, _ left: Tensor, _ right: Tensor, _ context: RunContext
  ) throws -> Tensor {
    let number = try commonNumber(left, right)
    let plan = try Broadcast([.init(left), .init(right)])
    let a = try plan.aligned(left, context)
    let b = try plan.aligned(right, context)
    let result = try context.allocate(.bool, plan.shape, layout: plan.layout)
    let width = left.elementType.memoryWidth ?? 1
    nonisolated(unsafe) let (first, second) = (a.storage.base, b.storage.base)
    nonisolated(unsafe) let to = result.storage.base.assumingMemoryBound(to: UInt8.self)
    try plan.forEachBlock(context) { block in
      gs_compare(
        op, number, block.rows, block.count, plan.operand(0, first, block, width),
        plan.operand(1, second, block, width), to + block.output)
    }
    return result
  }

  private static func commonNumber(_ left: Tensor, _ right: Tensor) throws -> gs_number {
    guard left.elementType == right.elementType else {
      throw KernelProblem(
        "the inputs are \(left.elementType.name) and \(right.elementType.name), not of one type")
    }
    return try left.elementType.number
  }
}

extension Broadcast {
  /// An operand as C takes it.
  func operand(
    _ index: Int, _ base: UnsafeMutableRawPointer, _ block: Block, _ width: Int
  ) -> gs_operand {
    gs_operand(
      base: base + block.offsets[index] * width, row: rowStrides[index],
      column: columnStrides[index])
  }

  /// An operand's memory for the result, where it is as large as the result and may be written to.
  fileprivate func reused(_ tensor: Tensor, _ aligned: Tensor, _ isFree: Bool) -> Tensor? {
    guard isFree, tensor.storage === aligned.storage, aligned.shape == shape else { return nil }
    return aligned
  }
}

extension ElementType {
  /// How C's loops call this number type.
  ///
  /// - Throws: a type that isn't computed with as it lies in memory.
  var number: gs_number {
    get throws {
      switch self {
      case .float32: GS_FLOAT32
      case .float64: GS_FLOAT64
      case .int8: GS_INT8
      case .int16: GS_INT16
      case .int32: GS_INT32
      case .int64: GS_INT64
      case .uint8: GS_UINT8
      case .uint16: GS_UINT16
      case .uint32: GS_UINT32
      case .uint64: GS_UINT64
      default:
        throw KernelProblem(lacking: "\(name) is not a number type this operator computes with")
      }
    }
  }
}
