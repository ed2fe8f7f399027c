import Dispatch
import Glibc
import Synchronization

/// A fixed number of workers that take items in order.
public struct WorkerPool: Sendable {
  /// How many workers there are, at least 1.
  public let workerCount: Int

  /// Makes a pool; 0 means one worker for each processor.
  public init(threads: Int) {
    workerCount = threads > 0 ? threads : max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
  }

  /// Runs `body` once for each index below `count`. Items start in order and may overlap; the
  /// first error (by index among those that ran) is thrown after all workers have stopped.
  public func forEach<Problem: Error>(
    _ count: Int, _ body: @Sendable (Int) throws(Problem) -> Void
  ) throws(Problem) {
    let workers = min(workerCount, count)
    if workers <= 1 {
      for index in 0..<max(0, count) { try body(index) }
      return
    }
    let next = Atomic<Int>(0)
    let failure = Guarded<(index: Int, problem: Problem)?>(nil)
    DispatchQueue.concurrentPerform(iterations: workers) { _ in
      while true {
        let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
        if index >= count { return }
        do throws(Problem) {
          try body(index)
        } catch {
          failure.withLock { kept in
            if kept.map({ index < $0.index }) ?? true { kept = (index, error) }
          }
          next.store(count, ordering: .relaxed)
          return
        }
      }
    }
    if let kept = failure.withLock({ $0 }) { throw kept.problem }
  }

  /// Runs `body` for each index and gathers the results by index.
  public func map<Result: Sendable, Problem: Error>(
    _ count: Int, _ body: @Sendable (Int) throws(Problem) -> Result
  ) throws(Problem) -> [Result] {
    let results = Guarded<[Result?]>(Array(repeating: nil, count: max(0, count)))
    try forEach(count) { (index) throws(Problem) in
      let result = try body(index)
      results.withLock { $0[index] = result }
    }
    return results.withLock { $0 }.compactMap { $0 }
  }

  /// Runs `body` for each index, those with the most work first so that none is left for one worker at
  /// the end, and gathers the results by index.
  public func map<Result: Sendable>(
    costs: [Int], _ body: @Sendable (Int) -> Result
  ) -> [Result] {
    let order = costs.indices.sorted { (costs[$0], $1) > (costs[$1], $0) }
    let results = map(order.count) { body(order[$0]) }
    var places = [Int](repeating: 0, count: order.count)
    for (place, index) in order.enumerated() { places[index] = place }
    return places.map { results[$0] }
  }
}
