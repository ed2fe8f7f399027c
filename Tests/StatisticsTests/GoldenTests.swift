import Testing

@testable import Statistics

/// Against values computed with numpy by make_golden.py.
@Suite struct GoldenTests {
  private func statistics(_ golden: GoldenTensor) -> TensorStatistics {
    TensorStatistics(TestData.golden(golden.name).parts(4), [.histogram, .tails])
  }

  @Test func rangesAndTails() throws {
    for golden in GoldenStatistics.all {
      let statistics = statistics(golden)
      #expect(statistics.range == golden.minimum...golden.maximum, "\(golden.name)")
      let tails = try #require(statistics.meanTails)
      #expect([tails.lowerBound, tails.upperBound] == golden.tails.map { Float($0) })
    }
  }

  @Test func divergencesAndThresholds() throws {
    for golden in GoldenStatistics.all {
      let statistics = statistics(golden)
      let histogram = try #require(statistics.histogram)
      let error = try #require(ExpectedError(statistics))
      for expected in golden.grids {
        let grid = IntegerGrid(levels: expected.levels, isSymmetric: expected.isSymmetric)
        let whole = RangeMethod.maxMin.range(of: statistics, grid: grid)
        let choice = DivergenceThreshold(
          histogram: histogram, error: error, whole: whole, grid: grid)
        let range = choice.range()
        let threshold = Double(max(-range.lower, range.upper))
        #expect(agree(threshold, expected.threshold, 1e-7), "\(golden.name) \(grid)")
        let search = choice.search()
        #expect(search.reach == expected.divergences.keys.max())
        for (bins, divergence) in expected.divergences {
          let ours = search.divergence(bins)
          #expect(
            ours == divergence || abs(ours - divergence) < 1e-9,
            "\(golden.name) \(grid) \(bins): \(ours), not \(divergence)")
        }
      }
    }
  }

  @Test func expectedErrors() throws {
    for golden in GoldenStatistics.all {
      let statistics = statistics(golden)
      let error = try #require(ExpectedError(statistics))
      for expected in golden.grids {
        let grid = IntegerGrid(levels: expected.levels, isSymmetric: expected.isSymmetric)
        let whole = RangeMethod.maxMin.range(of: statistics, grid: grid)
        let part = ActivationRange(
          whole.lower * expected.shares[0], whole.upper * expected.shares[1], grid: grid)
        #expect(agree(error.sum(whole, grid), expected.wholeError, 1e-6), "\(golden.name) \(grid)")
        #expect(agree(error.sum(part, grid), expected.partError, 1e-6), "\(golden.name) \(grid)")
      }
    }
  }

  /// The KL method as first defined: 1000 values 0, 0.001, ... 0.999 and one 4.0 in 2048 bins that
  /// begin at 1e-7; of 128 to 2047 bins the first with the least divergence.
  @Test func specifiedDivergence() {
    let values = (0..<1000).map { Double(7919 * $0 % 1000) / 1000 } + [4.0]
    var masses = [Double](repeating: 0, count: 2048)
    for value in values where value > 0 { masses[min(Int(value / (4.0 / 2048)), 2047)] += 1 }
    let search = DivergenceSearch(masses: masses.map { max($0, 1e-7) }, zero: 0, groups: 128)
    let divergences = (128..<2048).map(search.divergence)
    let least = divergences.min()
    let best = divergences.firstIndex { $0 == least }.map { $0 + 128 }
    #expect(best == GoldenStatistics.specifiedBins)
    #expect(best == 512)
    let threshold = (Double(best ?? 0) + 0.5) * (4.0 / 2048)
    #expect(threshold == 1.0009765625)
    #expect(agree(least ?? 0, GoldenStatistics.specifiedDivergence, 1e-9))
  }

  @Test func summaries() {
    for golden in GoldenStatistics.all {
      let original = TestData.golden(golden.name)
      let rounded = original.map { value in
        let whole = (Double(value) / golden.step).rounded(.toNearestOrEven) * golden.step
        return min(max(Float(whole), -1.5), 1.5)
      }
      let summary = original.withUnsafeBufferPointer { DistributionSummary($0) }
      #expect(summary.minimum == golden.minimum && summary.maximum == golden.maximum)
      #expect(
        [summary.firstQuartile, summary.median, summary.thirdQuartile] == golden.quartiles)
      #expect(agree(summary.mean, golden.mean, 1e-12), "\(golden.name)")
      #expect(agree(summary.variance, golden.variance, 1e-12), "\(golden.name)")
      #expect(summary.sparsity == golden.sparsity)
      #expect(summary.clip == 0 && summary.cosineSimilarity == 1)
      let pair = rounded.withUnsafeBufferPointer { rounded in
        original.withUnsafeBufferPointer { original in
          DistributionSummary(dequantized: rounded, original: original)
        }
      }
      #expect(agree(pair.clip ?? -1, golden.clip, 1e-12), "\(golden.name)")
      #expect(agree(pair.cosineSimilarity ?? -1, golden.cosine, 1e-12), "\(golden.name)")
    }
  }
}
