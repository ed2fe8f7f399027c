import Glibc
import Support

/// Memory that holds a tensor's elements: a buffer of a pool, or bytes of a mapped file.
///
/// Written to only by the step that made it, or by one that holds it alone.
final class Storage: @unchecked Sendable {
  /// The first element, aligned to 64 bytes unless the memory is a file's.
  let base: UnsafeMutableRawPointer
  /// Bytes that may be used.
  let capacity: Int
  private let owner: Owner

  private enum Owner {
    case pool(BufferPool)
    case file(Bytes)
  }

  fileprivate init(base: UnsafeMutableRawPointer, capacity: Int, pool: BufferPool) {
    self.base = base
    self.capacity = capacity
    owner = .pool(pool)
  }

  /// Lends the pages of a mapped file, without a copy.
  ///
  /// - Precondition: the bytes are mapped, so that their address stays; there is at least one.
  init(mapped bytes: Bytes) {
    let address = bytes.withUnsafeBytes { $0.baseAddress }
    guard bytes.isMapped, let address else { preconditionFailure("not the bytes of a file") }
    base = UnsafeMutableRawPointer(mutating: address)
    capacity = bytes.count
    owner = .file(bytes)
  }

  /// Whether the memory may be written to at all.
  var isWritable: Bool {
    if case .pool = owner { true } else { false }
  }

  /// Gives a file's pages back to the system; they are read again when touched.
  func releasePages() {
    if case .file(let bytes) = owner { bytes.release() }
  }

  deinit {
    if case .pool(let pool) = owner { pool.takeBack(base, capacity) }
  }
}

/// Buffers that wait to be used again, so that steady runs allocate nothing.
///
/// A buffer that a whole run didn't use is given back to the system: memory follows the live set.
/// What a pool lends never exceeds its limit, whatever a model asks for.
final class BufferPool: Sendable {
  private struct Spare {
    let base: UnsafeMutableRawPointer
    let capacity: Int
    let round: Int
  }
  private struct State: @unchecked Sendable {
    /// By capacity, ascending.
    var spares: [Spare] = []
    var round = 0
    /// Bytes of all buffers, lent and spare.
    var total = 0
  }
  private let state = Guarded(State())
  /// Most bytes of all buffers together.
  let limit: Int

  /// An empty pool.
  init(limit: Int = MemoryLimit.byteCount) { self.limit = limit }

  /// A buffer of at least `byteCount` bytes with undefined contents.
  ///
  /// - Throws: a size beyond what there is.
  /// - Complexity: O(spare buffers) at worst.
  func storage(byteCount: Int) throws -> Storage {
    guard byteCount <= limit else { throw shortage(byteCount) }
    let wanted = max(64, (byteCount + 63) & ~63)
    let found: Spare? = state.withLock { state in
      var low = 0
      var high = state.spares.count
      while low < high {
        let middle = (low + high) / 2
        if state.spares[middle].capacity < wanted { low = middle + 1 } else { high = middle }
      }
      guard low < state.spares.count, state.spares[low].capacity <= wanted + wanted / 4 + 4096
      else { return nil }
      return state.spares.remove(at: low)
    }
    if let found { return Storage(base: found.base, capacity: found.capacity, pool: self) }
    return Storage(base: try fresh(wanted), capacity: wanted, pool: self)
  }

  /// New memory from the system; gives spare buffers back first where that makes room.
  private func fresh(_ byteCount: Int) throws -> UnsafeMutableRawPointer {
    let isLimited = state.withLock { state in state.total > limit - byteCount }
    if isLimited { releaseSpares { _ in true } }
    let hasRoom = state.withLock { state in
      guard state.total <= limit - byteCount else { return false }
      state.total += byteCount
      return true
    }
    var base: UnsafeMutableRawPointer?
    guard hasRoom else { throw shortage(byteCount) }
    guard posix_memalign(&base, 64, byteCount) == 0, let base else {
      state.withLock { $0.total -= byteCount }
      throw shortage(byteCount)
    }
    return base
  }

  private func shortage(_ byteCount: Int) -> KernelProblem {
    KernelProblem(
      "\(NumberText.bytes(byteCount)) more would be needed, and at most "
        + "\(NumberText.bytes(limit)) of memory can be had")
  }

  fileprivate func takeBack(_ base: UnsafeMutableRawPointer, _ capacity: Int) {
    state.withLock { state in
      var low = 0
      var high = state.spares.count
      while low < high {
        let middle = (low + high) / 2
        if state.spares[middle].capacity < capacity { low = middle + 1 } else { high = middle }
      }
      state.spares.insert(Spare(base: base, capacity: capacity, round: state.round), at: low)
    }
  }

  /// Marks the end of a run: frees what neither this run nor the one before used.
  func endRound() {
    let round = state.withLock { state in
      state.round += 1
      return state.round
    }
    releaseSpares { $0.round < round - 2 }
  }

  private func releaseSpares(where isIdle: (Spare) -> Bool) {
    state.withLock { state in
      for spare in state.spares where isIdle(spare) {
        free(spare.base)
        state.total -= spare.capacity
      }
      state.spares.removeAll(where: isIdle)
    }
  }

  deinit { releaseSpares { _ in true } }
}
