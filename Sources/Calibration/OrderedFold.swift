/// Hands on what samples tell in the samples' order, whatever order they finish in.
struct OrderedFold<Item> {
  private var waiting: [Int: [Item]] = [:]
  private var finished: Set<Int> = []
  private var next = 0

  /// Keeps something that a sample told, behind what it told before.
  mutating func add(_ item: Item, sample: Int) { waiting[sample, default: []].append(item) }

  /// Notes that a sample has told all, and hands on what is complete.
  mutating func finish(_ sample: Int, _ take: (Item) -> Void) {
    finished.insert(sample)
    while finished.remove(next) != nil {
      waiting.removeValue(forKey: next)?.forEach(take)
      next += 1
    }
  }
}
