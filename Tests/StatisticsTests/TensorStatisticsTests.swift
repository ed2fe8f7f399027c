import Statistics
import Support
import Testing

@Suite struct TensorStatisticsTests {
  private let everything: StatisticsRequest = [
    .histogram, .tails, .channelRanges, .channelSquares,
  ]

  @Test func histogramsDontDependOnOrderOrMerging() {
    var data = TestData.printed()
    for _ in 0..<30 {
      let size = Int.random(in: 1...5000, using: &data)
      let values = Bool.random(using: &data) ? data.activations(size) : data.anything(size)
      let whole = TensorStatistics([values], .histogram)
      let shuffled = values.shuffled(using: &data)
      var pieces = shuffled.parts(Int.random(in: 1...9, using: &data)).map {
        TensorStatistics([$0], .histogram)
      }
      while pieces.count > 1 {
        let piece = pieces.remove(at: Int.random(in: 0..<pieces.count, using: &data))
        pieces[Int.random(in: 0..<pieces.count, using: &data)].merge(piece)
      }
      #expect(pieces[0].histogram == whole.histogram)
      #expect(pieces[0].range == whole.range)
      #expect(pieces[0].count == whole.count && pieces[0].zeroCount == whole.zeroCount)
      #expect(pieces[0].notANumberCount == whole.notANumberCount)
      #expect(pieces[0].infinityCount == whole.infinityCount)
      let total = (whole.histogram?.counts ?? []).reduce(0, +)
      #expect(Int(total) == whole.finiteCount - whole.zeroCount)
    }
  }

  @Test func foldingInOrderDoesntDependOnThreads() throws {
    var data = TestData.printed()
    let samples = (0..<37).map { _ in data.activations(6 * 50) }
    let arrangement = try #require(ChannelArrangement(extents: [6, 50], axis: 0))
    let request = everything
    let folded = [1, 3, 8].map { threads in
      WorkerPool(threads: threads).map(samples.count) { index in
        samples[index].withUnsafeBufferPointer {
          TensorStatistics(sample: $0, arrangement: arrangement, request: request)
        }
      }.reduce(into: TensorStatistics()) { $0.merge($1) }
    }
    #expect(folded[0] == folded[1] && folded[0] == folded[2])
    #expect(folded[0].sampleCount == 37 && folded[0].channels?.elementsPerChannel == 37 * 50)
  }

  @Test func tailsAreOrderStatisticsOfEachSample() throws {
    var data = TestData.printed()
    for _ in 0..<20 {
      let sizes = (0..<3).map { _ in Int.random(in: 1...30000, using: &data) }
      let samples = sizes.map { data.activations($0) }
      let ordered = samples.map { $0.sorted() }
      func mean(_ share: Double) -> Float {
        let sum = ordered.reduce(0.0) { $0 + Double($1[Int(share * Double($1.count))]) }
        return Float(sum / Double(ordered.count))
      }
      let tails = try #require(TensorStatistics(samples, .tails).meanTails)
      #expect(tails.lowerBound == mean(0.0001) && tails.upperBound == mean(0.9999))
    }
  }

  @Test func theSumLeavesOutWhatIsNotFinite() throws {
    var data = TestData.printed()
    for _ in 0..<50 {
      var sample = data.activations(Int.random(in: 0...9000, using: &data))
      for index in sample.indices where Int.random(in: 0..<500, using: &data) == 0 {
        sample[index] = [.nan, .infinity, -.infinity, 3e38, -3e38].randomElement(using: &data) ?? 0
      }
      let finite = sample.filter(\.isFinite).map(Double.init)
      let sum = try #require(TensorStatistics([sample], .sum).sum)
      let magnitude = finite.reduce(0) { $0 + abs($1) }
      #expect(abs(sum - finite.reduce(0, +)) <= magnitude * 0x1p-21)
      #expect(TensorStatistics([sample], [.sum, .histogram]).sum == sum)
    }
    #expect(TensorStatistics([[1, 2], [4]], .sum).sum == 7)
  }

  @Test func theShareOutsideARange() throws {
    var data = TestData.printed()
    for _ in 0..<20 {
      let sample = data.activations(Int.random(in: 1...5000, using: &data))
      let statistics = TensorStatistics([sample], .histogram)
      let range = try #require(statistics.range)
      let width = try #require(statistics.histogram?.binWidth)
      let (low, high) = (range.lowerBound * 0.5, range.upperBound * 0.25)
      let share = try #require(statistics.share(outside: low, high))
      func exact(_ margin: Double) -> Double {
        let outside = sample.filter {
          Double($0) < Double(low) - margin || Double($0) > Double(high) + margin
        }
        return Double(outside.count) / Double(sample.count)
      }
      #expect(share <= exact(0) && share >= exact(width))
      #expect(statistics.share(outside: range.lowerBound, range.upperBound) == 0)
    }
    #expect(TensorStatistics([[1]], .sum).share(outside: 0, 0.5) == nil)
  }

  @Test func nothingIsGatheredUnasked() throws {
    let arrangement = try #require(ChannelArrangement(extents: [2, 2], axis: 1))
    let plain = TensorStatistics([[1, 2, 3, 4]], [], arrangement)
    #expect(plain.histogram == nil && plain.channels == nil && plain.meanTails == nil)
    #expect(plain.sum == nil)
    let sums = TensorStatistics([[1, 2, 3, 4]], .channelSums, arrangement)
    #expect(sums.channels?.sums == [4, 6])
    #expect(sums.channels?.minimums == [] && sums.channels?.squares == [])
    let misfit = TensorStatistics([[1, 2, 3]], .channelSums, arrangement)
    #expect(misfit.channels == nil && misfit.range == 1...3)
  }

  @Test func whatOnlySomeSamplesHaveIsDropped() throws {
    let two = try #require(ChannelArrangement(extents: [2, 2], axis: 1))
    let four = try #require(ChannelArrangement(extents: [4], axis: 0))
    var merged = TensorStatistics([[1, 2, 3, 4]], everything, two)
    let other = TensorStatistics([[1, 2, 3, 4]], everything, four)
    merged.merge(TensorStatistics())
    #expect(merged.channels?.count == 2)
    merged.merge(other)
    #expect(merged.channels == nil && merged.histogram != nil && merged.meanTails == 1...4)
    merged.merge(TensorStatistics([[9]], []))
    #expect(merged.histogram == nil && merged.meanTails == nil && merged.range == 1...9)
  }

  @Test func oddSamples() {
    let empty = TensorStatistics([[]], everything)
    #expect(empty.sampleCount == 1 && empty.range == nil && empty.meanTails == nil)
    let broken = TensorStatistics([[.nan, .infinity, -.infinity, .nan]], everything)
    #expect(broken.range == nil && broken.meanTails == nil && broken.finiteCount == 0)
    #expect(broken.notANumberCount == 2 && broken.infinityCount == 2)
    let zeros = TensorStatistics([[0, -0.0]], everything)
    #expect(zeros.range == 0...0 && zeros.zeroCount == 2)
    #expect(zeros.range?.lowerBound.sign == .plus)
    let mixed = TensorStatistics([[.nan, 2, -1]], everything)
    #expect(mixed.range == -1...2 && mixed.meanTails == -1...2)
    let largest = Float.greatestFiniteMagnitude
    let extremes = TensorStatistics([[largest, -largest, .leastNonzeroMagnitude]], everything)
    #expect(extremes.range == -largest...largest && extremes.meanTails == -largest...largest)
    #expect(extremes.histogram?.exponent == 128)
    #expect(extremes.histogram?.positives.count == 2048)
    #expect(extremes.histogram?.positives.first == 1)
  }

  @Test func arrangementsThatCannotBe() {
    #expect(ChannelArrangement(extents: [2, 3], axis: 2) == nil)
    #expect(ChannelArrangement(extents: [2, 3], axis: -1) == nil)
    #expect(ChannelArrangement(extents: [2, -3], axis: 0) == nil)
    #expect(ChannelArrangement(extents: [.max, 2, 3], axis: 1) == nil)
    #expect(ChannelArrangement(extents: [.max, 2], axis: 0) == nil)
    let last = ChannelArrangement(extents: [2, 5, 7], axis: 2)
    #expect(last?.outer == 10 && last?.channels == 7 && last?.inner == 1)
  }
}
