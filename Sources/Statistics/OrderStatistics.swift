import CKernels

/// Elements at given positions of the ascending order, without sorting.
///
/// The histogram tells which bin holds a position; only the elements of that bin are looked at
/// more closely.
struct OrderStatistics {
  private let elements: UnsafeBufferPointer<Float>
  private let histogram: Histogram
  private let extent: Extent
  /// Number of finite elements.
  let count: Int

  /// For elements whose histogram, of them alone, and extent are known.
  init(_ elements: UnsafeBufferPointer<Float>, _ histogram: Histogram, _ extent: Extent) {
    self.elements = elements
    self.histogram = histogram
    self.extent = extent
    count = elements.count - Int(extent.not_numbers) - Int(extent.infinities)
  }

  /// The finite elements at these positions (counted from 0; a greater one means the last);
  /// empty where there is no finite element. Zeros are positive.
  ///
  /// - Complexity: O(elements) for each two positions, mostly skipping; worst where nearly all
  ///   elements share a bin: some 3 ns for each element then.
  func values(at positions: [Int]) -> [Float] {
    guard count > 0 else { return [] }
    let places = locate(positions.map { min(max($0, 0), count - 1) })
    var values: [Float] = []
    for first in stride(from: 0, to: places.count, by: 2) {
      values += select(Array(places[first..<min(first + 2, places.count)]))
    }
    return values
  }

  /// Keys from low to high, how many elements have one of them, and which of these is wanted.
  private struct Place {
    var low: Int32
    var high: Int32
    var count: Int
    var rank: Int
  }

  /// Finds the bins that hold the positions.
  private func locate(_ positions: [Int]) -> [Place] {
    let counts = histogram.counts
    let lastBelowZero = Histogram.binsPerSide - 1
    var sums = [0]
    sums.reserveCapacity(counts.count + 1)
    var sum = 0
    for (bin, count) in counts.enumerated() {
      sum += Int(count) + (bin == lastBelowZero ? Int(extent.zeros) : 0)
      sums.append(sum)
    }
    return positions.map { position in
      var (bin, end) = (0, counts.count)
      while end - bin > 1 {
        let middle = (bin + end) / 2
        if sums[middle] <= position { bin = middle } else { end = middle }
      }
      let rank = position - sums[bin]
      if rank >= Int(counts[bin]) { return Place(low: 0, high: 0, count: 0, rank: 0) }
      let keys = histogram.keys(bin: bin)
      return Place(
        low: max(keys.lowerBound, extent.low), high: min(keys.upperBound, extent.high),
        count: Int(counts[bin]), rank: rank)
    }
  }

  /// The values at one or two places.
  private func select(_ places: [Place]) -> [Float] {
    let open = places.indices.filter { places[$0].low < places[$0].high }
    var values = places.map { Float(key: $0.low) }
    guard let base = elements.baseAddress, let first = open.first, let last = open.last
    else { return values }
    let lows = [places[first].low, places[last].low]
    let highs = [places[first].high, places[last].high]
    let size = open.reduce(0) { $0 + places[$1].count }
    withUnsafeTemporaryAllocation(of: Int32.self, capacity: size) { keys in
      let start = keys.baseAddress
      let second = first == last ? nil : start?.advanced(by: places[first].count)
      gs_gather_keys(base, elements.count, lows, highs, [start, second])
      for (index, keys) in zip(open, [start, second]) {
        let place = places[index]
        values[index] = Float(
          key: gs_select_key(keys, place.count, place.low, place.high, place.rank))
      }
    }
    return values
  }
}

extension Histogram {
  /// The keys of the values of a bin of `counts`.
  fileprivate func keys(bin: Int) -> ClosedRange<Int32> {
    let isPositive = bin >= Histogram.binsPerSide
    let steps = isPositive ? bin - Histogram.binsPerSide : Histogram.binsPerSide - 1 - bin
    let near = Float(Double(steps) * binWidth)
    let far = Float(Double(steps + 1) * binWidth)
    return isPositive
      ? max(1, near.key)...(far.key - 1) : ((0 - far).key + 1)...min(-2, (-near).key)
  }
}
