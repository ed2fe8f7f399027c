import COneDNN

/// A computation of oneDNN, made for given shapes. Any number of threads may run it at once: its
/// scratch memory comes from the caller.
final class Primitive: @unchecked Sendable {
  /// One tensor of an execution: oneDNN's number for its part, and where it is.
  typealias Argument = (part: Int32, description: dnnl_memory_desc_t, base: UnsafeMutableRawPointer)

  private let primitive: OpaquePointer
  private let scratch: dnnl_memory_desc_t
  /// The order in which it wants the weights.
  let weights: dnnl_memory_desc_t
  /// oneDNN's name of the implementation, for example `jit:avx512_core`.
  let implementation: String

  /// Makes a primitive of an operation descriptor.
  ///
  /// - Throws: `OneDNN.Refusal` when there is no implementation.
  init(operation: UnsafeRawPointer, followers: [PostOperation]) throws {
    OneDNN.useOneThread()
    var attributes: OpaquePointer?
    try OneDNN.check(dnnl_primitive_attr_create(&attributes), "attributes")
    defer { dnnl_primitive_attr_destroy(attributes) }
    try OneDNN.check(
      dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user), "attributes")
    if !followers.isEmpty {
      var chain: OpaquePointer?
      try OneDNN.check(dnnl_post_ops_create(&chain), "post-operations")
      defer { dnnl_post_ops_destroy(chain) }
      for follower in followers { try follower.append(to: chain) }
      try OneDNN.check(dnnl_primitive_attr_set_post_ops(attributes, chain), "post-operations")
    }
    var description: OpaquePointer?
    try OneDNN.check(
      dnnl_primitive_desc_create(
        &description, operation, attributes, OneDNN.engine.pointer, nil), "choosing a kernel")
    defer { dnnl_primitive_desc_destroy(description) }
    var made: OpaquePointer?
    try OneDNN.check(dnnl_primitive_create(&made, description), "making a kernel")
    guard let made,
      let weights = dnnl_primitive_desc_query_md(description, dnnl_query_weights_md, 0),
      let scratch = dnnl_primitive_desc_query_md(description, dnnl_query_scratchpad_md, 0)
    else { throw KernelProblem("oneDNN made no kernel") }
    primitive = made
    self.weights = weights.pointee
    self.scratch = scratch.pointee
    var name: UnsafePointer<CChar>?
    dnnl_primitive_desc_query(description, dnnl_query_impl_info_str, 0, &name)
    implementation = name.map { String(cString: $0) } ?? ""
  }

  deinit { dnnl_primitive_destroy(primitive) }

  /// Runs it, with scratch memory from the pool.
  func execute(_ arguments: [Argument], _ pool: BufferPool) throws {
    OneDNN.useOneThread()
    var all = arguments
    let scratchBytes = scratch.byteCount
    let memory = scratchBytes > 0 ? try pool.storage(byteCount: scratchBytes) : nil
    defer { withExtendedLifetime(memory) {} }
    if let memory { all.append((Int32(DNNL_ARG_SCRATCHPAD), scratch, memory.base)) }
    var handles: [dnnl_exec_arg_t] = []
    handles.reserveCapacity(all.count)
    defer { for handle in handles { dnnl_memory_destroy(handle.memory) } }
    for argument in all {
      var memory: OpaquePointer?
      var description = argument.description
      try OneDNN.check(
        dnnl_memory_create(&memory, &description, OneDNN.engine.pointer, argument.base), "memory")
      handles.append(dnnl_exec_arg_t(arg: argument.part, memory: memory))
    }
    try OneDNN.check(
      dnnl_primitive_execute(primitive, OneDNN.stream.pointer, Int32(handles.count), handles),
      "running a kernel")
  }

  /// Copies a tensor into another order.
  ///
  /// - Parameters:
  ///   - scales: factors for each index of the outermost `axes` axes; nil to change nothing.
  ///   - axes: how many axes factors are for.
  static func reorder(
    _ source: dnnl_memory_desc_t, _ from: UnsafeMutableRawPointer,
    to target: dnnl_memory_desc_t, _ into: UnsafeMutableRawPointer,
    scales: UnsafeBufferPointer<Float>? = nil, axes: Int = 1
  ) throws {
    OneDNN.useOneThread()
    var source = source
    var target = target
    var attributes: OpaquePointer?
    try OneDNN.check(dnnl_primitive_attr_create(&attributes), "attributes")
    defer { dnnl_primitive_attr_destroy(attributes) }
    if let scales {
      try OneDNN.check(
        dnnl_primitive_attr_set_output_scales(
          attributes, Int64(scales.count), (1 << Int32(axes)) - 1, scales.baseAddress),
        "factors of weights")
    }
    var description: OpaquePointer?
    try OneDNN.check(
      dnnl_reorder_primitive_desc_create(
        &description, &source, OneDNN.engine.pointer, &target, OneDNN.engine.pointer, attributes),
      "choosing an order of weights")
    defer { dnnl_primitive_desc_destroy(description) }
    var primitive: OpaquePointer?
    try OneDNN.check(dnnl_primitive_create(&primitive, description), "ordering weights")
    defer { dnnl_primitive_destroy(primitive) }
    var memories: [OpaquePointer?] = [nil, nil]
    defer { for memory in memories { dnnl_memory_destroy(memory) } }
    try OneDNN.check(
      dnnl_memory_create(&memories[0], &source, OneDNN.engine.pointer, from), "memory")
    try OneDNN.check(
      dnnl_memory_create(&memories[1], &target, OneDNN.engine.pointer, into), "memory")
    let arguments = [
      dnnl_exec_arg_t(arg: Int32(DNNL_ARG_FROM), memory: memories[0]),
      dnnl_exec_arg_t(arg: Int32(DNNL_ARG_TO), memory: memories[1]),
    ]
    try OneDNN.check(
      dnnl_primitive_execute(primitive, OneDNN.stream.pointer, 2, arguments), "ordering weights")
  }
}

/// What a primitive does to each result before storing it.
enum PostOperation {
  case relu
  case clip(low: Float, high: Float)
  case add(dnnl_memory_desc_t)
  /// Adds what the result's memory held before.
  case sum
  /// Leaves the result as it is.
  case nothing
  case multiply(dnnl_memory_desc_t)

  fileprivate func append(to chain: OpaquePointer?) throws {
    let status: dnnl_status_t
    switch self {
    case .relu: status = dnnl_post_ops_append_eltwise(chain, 1, dnnl_eltwise_relu, 0, 0)
    case .clip(let low, let high):
      status = dnnl_post_ops_append_eltwise(chain, 1, dnnl_eltwise_clip, low, high)
    case .add(var operand): status = dnnl_post_ops_append_binary(chain, dnnl_binary_add, &operand)
    case .nothing: status = dnnl_post_ops_append_eltwise(chain, 1, dnnl_eltwise_linear, 1, 0)
    case .sum: status = dnnl_post_ops_append_sum(chain, 1)
    case .multiply(var operand):
      status = dnnl_post_ops_append_binary(chain, dnnl_binary_mul, &operand)
    }
    try OneDNN.check(status, "a post-operation")
  }

  /// oneDNN's number for the second operand of the post-operation at a place of the chain.
  static func operandPart(at index: Int) -> Int32 {
    Int32(DNNL_ARG_ATTR_MULTIPLE_POST_OP_BASE) * Int32(index + 1) | Int32(DNNL_ARG_SRC_1)
  }
}
