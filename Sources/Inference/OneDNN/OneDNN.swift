import COneDNN
import Glibc

/// What all uses of oneDNN share. The calls are those of its version 2 (Debian's libdnnl-dev).
///
/// Every primitive is made for and run by one thread: its results then can't depend on the number
/// of threads, and OpenMP never spins. Work is spread over threads by the engine instead.
enum OneDNN {
  /// The processor's engine; one a process, because streams of another one are refused.
  static let engine = Handle<dnnl_engine_t>(create: { dnnl_engine_create(&$0, dnnl_cpu, 0) })
  /// Primitives run synchronously on the processor, so that one stream serves all threads.
  static let stream = Handle<dnnl_stream_t>(
    create: { dnnl_stream_create(&$0, engine.pointer, dnnl_stream_default_flags.rawValue) })

  /// OpenMP's number of threads is kept by thread, and frozen into a primitive when it is made.
  static func useOneThread() { setThreads?(1) }

  /// libgomp comes with oneDNN; asking the loader for the symbol needs no development package.
  private static let setThreads: (@convention(c) (Int32) -> Void)? =
    dlsym(nil, "omp_set_num_threads").map {
      unsafeBitCast($0, to: (@convention(c) (Int32) -> Void).self)
    }

  /// Turns a status into an error.
  static func check(_ status: dnnl_status_t, _ what: String) throws {
    guard status == dnnl_success else {
      if status == dnnl_out_of_memory { throw KernelProblem("oneDNN ran out of memory in \(what)") }
      throw Refusal(status: status.rawValue, what: what)
    }
  }

  /// oneDNN has no implementation for what was asked.
  struct Refusal: Error {
    let status: UInt32
    let what: String
  }

  /// An object of oneDNN that lives as long as the process.
  final class Handle<Pointer>: @unchecked Sendable {
    let pointer: OpaquePointer?
    init(create: (inout OpaquePointer?) -> dnnl_status_t) {
      var made: OpaquePointer?
      let status = create(&made)
      precondition(status == dnnl_success, "oneDNN cannot start (status \(status.rawValue))")
      pointer = made
    }
  }
}

extension dnnl_memory_desc_t {
  /// A tensor of float32 with given strides in elements.
  static func strided(_ extents: [Int], strides: [Int]) throws -> dnnl_memory_desc_t {
    var description = dnnl_memory_desc_t()
    let dims = extents.map { Int64($0) }
    let steps = strides.map { Int64($0) }
    try OneDNN.check(
      dnnl_memory_desc_init_by_strides(
        &description, Int32(dims.count), dims, dnnl_f32, steps), "describing a tensor")
    return description
  }

  /// A dense row-major tensor of float32.
  static func rowMajor(_ extents: [Int]) throws -> dnnl_memory_desc_t {
    try strided(extents, strides: elementStrides(extents))
  }

  /// A dense tensor of float32 with channels (axis 1) last.
  static func channelsLast(_ extents: [Int]) throws -> dnnl_memory_desc_t {
    try strided(extents, strides: elementStrides(extents, .channelsLast))
  }

  /// A tensor of float32 whose order oneDNN chooses.
  static func any(_ extents: [Int]) throws -> dnnl_memory_desc_t {
    var description = dnnl_memory_desc_t()
    let dims = extents.map { Int64($0) }
    try OneDNN.check(
      dnnl_memory_desc_init_by_tag(
        &description, Int32(dims.count), dims, dnnl_f32, dnnl_format_tag_any),
      "describing a tensor")
    return description
  }

  /// Bytes that a tensor so described takes.
  var byteCount: Int {
    var description = self
    return dnnl_memory_desc_get_size(&description)
  }

  /// Whether two descriptions mean the same bytes.
  func equals(_ other: dnnl_memory_desc_t) -> Bool {
    var left = self
    var right = other
    return dnnl_memory_desc_equal(&left, &right) != 0
  }
}
