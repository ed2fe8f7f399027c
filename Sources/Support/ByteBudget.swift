import Glibc

/// Bounds how many bytes are in work at once: takers wait until there is room.
///
/// A request larger than the whole budget is granted when nothing else is in work, so that it
/// runs alone instead of never.
public final class ByteBudget: @unchecked Sendable {
  private let total: Int
  private var used = 0
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let changed: UnsafeMutablePointer<pthread_cond_t>

  /// A budget of `total` bytes.
  public init(_ total: Int) {
    self.total = total
    mutex = .allocate(capacity: 1)
    changed = .allocate(capacity: 1)
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(changed, nil)
  }

  deinit {
    pthread_cond_destroy(changed)
    pthread_mutex_destroy(mutex)
    changed.deallocate()
    mutex.deallocate()
  }

  /// Waits for room and takes it.
  ///
  /// - Returns: what was taken, to be given back.
  public func take(_ byteCount: Int) -> Int {
    let amount = min(byteCount, total)
    pthread_mutex_lock(mutex)
    while used + amount > total { pthread_cond_wait(changed, mutex) }
    used += amount
    pthread_mutex_unlock(mutex)
    return amount
  }

  /// Gives back what `take` granted.
  public func give(_ amount: Int) {
    pthread_mutex_lock(mutex)
    used -= amount
    pthread_cond_broadcast(changed)
    pthread_mutex_unlock(mutex)
  }
}
