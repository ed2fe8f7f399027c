import Testing

@testable import Support

@Suite struct WorkerPoolTests {
  private struct Stop: Error { let index: Int }

  @Test(arguments: [1, 2, 7])
  func everyIndexRunsOnceAndResultsKeepTheirOrder(threads: Int) {
    let pool = WorkerPool(threads: threads)
    for count in [0, 1, 5, 1000] {
      let seen = Guarded([Int](repeating: 0, count: count))
      let results = pool.map(count) { index in
        seen.withLock { $0[index] += 1 }
        return index * index
      }
      #expect(results == (0..<count).map { $0 * $0 })
      #expect(seen.withLock { $0 }.allSatisfy { $0 == 1 })
    }
  }

  @Test func theMostWorkBeginsFirstAndResultsKeepTheirOrder() {
    let begun = Guarded<[Int]>([])
    let results = WorkerPool(threads: 1).map(costs: [3, 9, 1, 9, 4]) { index in
      begun.withLock { $0.append(index) }
      return 10 * index
    }
    #expect(results == [0, 10, 20, 30, 40])
    #expect(begun.withLock { $0 } == [1, 3, 4, 0, 2])
  }

  @Test(arguments: [1, 4])
  func anErrorEndsTheRunAndIsThrown(threads: Int) {
    let pool = WorkerPool(threads: threads)
    let stop = #expect(throws: Stop.self) {
      try pool.forEach(1000) { (index) throws(Stop) in
        if index >= 10 { throw Stop(index: index) }
      }
    }
    #expect((10..<20).contains(stop?.index ?? 0))
  }

  @Test func aByteBudgetIsNeverExceededAndAnOversizedRequestRunsAlone() {
    let budget = ByteBudget(100)
    let state = Guarded((used: 0, most: 0, runs: 0))
    WorkerPool(threads: 8).forEach(400) { (index) throws(Never) in
      let wanted = index % 20 == 0 ? 1000 : 30
      let taken = budget.take(wanted)
      state.withLock {
        $0.used += taken
        $0.most = max($0.most, $0.used)
        $0.runs += 1
      }
      state.withLock { $0.used -= taken }
      budget.give(taken)
    }
    let (used, most, runs) = state.withLock { $0 }
    #expect(used == 0)
    #expect(most <= 100)
    #expect(runs == 400)
  }
}
