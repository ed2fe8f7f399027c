import Statistics
import Testing

@Suite struct DistributionSummaryTests {
  private func summary(_ values: [Float]) -> DistributionSummary {
    values.withUnsafeBufferPointer { DistributionSummary($0) }
  }

  private func summary(_ dequantized: [Float], of original: [Float]) -> DistributionSummary {
    dequantized.withUnsafeBufferPointer { dequantized in
      original.withUnsafeBufferPointer { original in
        DistributionSummary(dequantized: dequantized, original: original)
      }
    }
  }

  @Test func matchesSorting() {
    var data = TestData.printed()
    for size in [1, 2, 3, 4, 5, 7, 100, 4097, 30000] {
      for _ in 0..<4 {
        let values = data.activations(size)
        let sorted = values.sorted()
        let found = summary(values)
        #expect(found.minimum == sorted[0] && found.maximum == sorted[size - 1])
        #expect(found.firstQuartile == sorted[Int(0.25 * Double(size))])
        #expect(found.median == sorted[Int(0.5 * Double(size))])
        #expect(found.thirdQuartile == sorted[Int(0.75 * Double(size))])
        let mean = values.reduce(0.0) { $0 + Double($1) } / Double(size)
        var spread = 0.0
        for value in values { spread += (Double(value) - mean) * (Double(value) - mean) }
        let magnitude = Double(max(abs(sorted[0]), abs(sorted[size - 1])))
        #expect(abs(found.mean - mean) <= 1e-13 * magnitude)
        #expect(abs(found.variance - spread / Double(size)) <= 1e-12 * magnitude * magnitude)
        #expect(found.sparsity == Double(values.count { $0 == 0 }) / Double(size))
      }
    }
  }

  @Test func pairs() {
    let found = summary([-1, 0, 1, 1], of: [-2, 0, 1, 3])
    #expect(found.clip == 0.5)
    #expect(agree(found.cosineSimilarity ?? 0, 6 / (3.0 * 14).squareRoot(), 1e-15))
    let misfit = summary([1, 2], of: [1])
    #expect(misfit.clip == nil && misfit.cosineSimilarity == nil && misfit.maximum == 2)
    #expect(summary([0, 0], of: [0, 0]).cosineSimilarity == 1)
    #expect(summary([0, 0], of: [1, 0]).cosineSimilarity == 0)
    #expect(summary([1, .nan], of: [1, 0]).cosineSimilarity == 0)
    #expect(summary([.infinity, 1], of: [.infinity, 1]).cosineSimilarity == 0)
    #expect(summary([3e38, 1], of: [3e38, 1]).cosineSimilarity == 1)
    #expect(summary([.nan, .nan], of: [1, 2]).clip == 1)
  }

  @Test func oddData() {
    for values: [Float] in [[], [.nan], [.infinity, -.infinity]] {
      let found = summary(values)
      #expect(found.minimum.isNaN && found.median.isNaN && found.maximum.isNaN)
      #expect(found.mean.isNaN && found.variance.isNaN && found.sparsity == 0)
    }
    let mixed = summary([.nan, 1, 3, 0])
    #expect(mixed.minimum == 0 && mixed.maximum == 3 && mixed.median == 1)
    #expect(agree(mixed.mean, 4.0 / 3, 1e-15) && mixed.sparsity == 0.25)
    let largest = Float.greatestFiniteMagnitude
    let huge = summary([-largest, largest, largest])
    #expect(huge.minimum == -largest && huge.thirdQuartile == largest && huge.variance.isFinite)
  }
}
