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
  /// - Complexity: O(elements) for each two bins that hold positions, mostly skipping; worst where
  ///   nearly all elements share a bin: some 5 ns for each element then.
  func values(at positions: [Int]) -> [Float] {
    guard count > 0 else { return [] }
    let places = locate(positions.map { min(max($0, 0), count - 1) })
    var values = places.map { Float(key: $0.keys.lowerBound) }
    let open = places.indices.filter { places[$0].keys.count > 1 }
    let bins = Array(Set(open.map { places[$0].keys }))
    for first in stride(from: 0, to: bins.count, by: 2) {
      let pair = [bins[first], bins[min(first + 1, bins.count - 1)]]
      gather(pair, places) { keys, gathered in
        for index in open where places[index].keys == keys {
          values[index] = Float(
            key: gs_select_key(
              gathered, places[index].count, keys.lowerBound, keys.upperBound,
              places[index].rank))
        }
      }
    }
    return values
  }

  /// The keys of a bin, how many elements have one of them, and which of these is wanted.
  private struct Place {
    var keys: ClosedRange<Int32>
    var count = 1
    var rank = 0
  }

  /// Finds the bins that hold the positions.
  private func locate(_ positions: [Int]) -> [Place] {
    let sums = sumsBeforeBins()
    return positions.map { position in
      var (bin, end) = (0, sums.count)
      while end - bin > 1 {
        let middle = (bin + end) / 2
        if sums[middle] <= position { bin = middle } else { end = middle }
      }
      let rank = position - sums[bin]
      let count = Int(histogram.counts[bin])
      if rank >= count { return Place(keys: 0...0) }
      let keys = histogram.keys(bin: bin).clamped(to: extent.low...extent.high)
      return Place(keys: keys, count: count, rank: rank)
    }
  }

  /// How many finite elements lie before each bin; zeros lie after the last bin of negative ones.
  private func sumsBeforeBins() -> [Int] {
    let counts = histogram.counts
    return Array(unsafeUninitializedCapacity: counts.count) { sums, initialized in
      initialized = counts.count
      var sum = 0
      for bin in 0..<counts.count {
        if bin == Histogram.binsPerSide { sum += Int(extent.zeros) }
        sums[bin] = sum
        sum += Int(counts[bin])
      }
    }
  }

  /// Lends the keys of the elements in two bins.
  private func gather(
    _ bins: [ClosedRange<Int32>], _ places: [Place],
    _ body: (ClosedRange<Int32>, UnsafePointer<Int32>) -> Void
  ) {
    let sizes = bins.map { bin in (places.first { $0.keys == bin }?.count ?? 0) + 1 }
    withUnsafeTemporaryAllocation(of: Int32.self, capacity: sizes[0] + sizes[1]) { keys in
      guard let base = elements.baseAddress, let start = keys.baseAddress else { return }
      let starts: [UnsafeMutablePointer<Int32>?] = [start, start + sizes[0]]
      gs_gather_keys(
        base, elements.count, bins.map(\.lowerBound), bins.map(\.upperBound), starts)
      body(bins[0], start)
      body(bins[1], start + sizes[0])
    }
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
