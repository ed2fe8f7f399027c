import ModelGraph
import Support

/// What a run lends its kernels: memory, workers, a stream of oneDNN.
///
/// One thread runs nodes with it at a time; kernels may spread their loops over workers.
final class RunContext {
  /// Where buffers come from.
  let pool: BufferPool
  /// Workers inside an operator.
  let workers: WorkerPool
  /// What the running node allocated: kept until it ends, so that pointers into it stay valid.
  private var pinned: [Storage] = []

  /// Makes a context.
  init(pool: BufferPool, workers: WorkerPool) {
    self.pool = pool
    self.workers = workers
  }

  /// A new tensor with undefined elements, kept alive until the running node ends.
  ///
  /// - Throws: a shape that cannot be, or more memory than there is.
  func allocate(
    _ type: ElementType, _ shape: [Int], layout: Layout = .rowMajor
  ) throws -> Tensor {
    let storage = try pool.storage(byteCount: pool.byteCount(of: type, shape))
    pinned.append(storage)
    return Tensor(type, shape, layout: layout, storage: storage)
  }

  /// Checks what a kernel is about to take elsewhere than from the pool.
  ///
  /// - Throws: a shape that cannot be, or more memory than there is.
  func checkRoom(_ type: ElementType, _ shape: [Int]) throws {
    _ = try pool.byteCount(of: type, shape)
  }

  /// Scratch memory of as many elements as the extents' product, kept until the running node ends.
  func scratch<Element: TensorElement>(
    _ type: Element.Type, _ extents: Int...
  ) throws -> UnsafeMutableBufferPointer<Element> {
    try allocate(Element.elementType, extents).mutableElements(type)
  }

  /// Keeps a tensor alive until the running node ends.
  func pin(_ tensor: Tensor) -> Tensor {
    pinned.append(tensor.storage)
    return tensor
  }

  /// Forgets what the node allocated.
  func endNode(keeping mark: Int = 0) { pinned.removeLast(pinned.count - mark) }

  /// How much is pinned now; for nodes that run graphs of their own.
  var mark: Int { pinned.count }

  /// Runs `body` for 0..<count on all workers, when the work is worth it.
  ///
  /// - Parameter cost: rough number of elementary steps of one item.
  func forEach(_ count: Int, cost: Int, _ body: @Sendable (Int) throws -> Void) throws {
    guard workers.workerCount > 1, count > 1, count * cost >= 1 << 16 else {
      for index in 0..<count { try body(index) }
      return
    }
    try workers.forEach(count, body)
  }
}
