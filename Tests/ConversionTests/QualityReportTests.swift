import Testing

@testable import Conversion

@Suite struct QualityReportTests {
  private func sums(_ float: [Float], _ quantized: [Float]) -> PairSums {
    float.withUnsafeBufferPointer { float in
      quantized.withUnsafeBufferPointer { PairSums(float, $0) }
    }
  }

  @Test func noiseIsCountedInDecibels() {
    #expect(abs(sums([10, 0], [10, 1]).signalToNoise - 20) < 1e-12)
    #expect(sums([3, -4], [3, -4]).signalToNoise == .infinity)
    #expect(sums([0, 0], [0, 0]).signalToNoise == .infinity)
  }

  /// So that a comparison never prefers it.
  @Test(arguments: [Float.nan, .infinity, -.infinity])
  func whatIsNotFiniteIsTheWorst(_ value: Float) {
    for pair in [sums([1, 2], [1, value]), sums([1, value], [1, value])] {
      #expect(pair.signalToNoise == -.infinity)
      #expect(pair.cosine == 0)
    }
  }

  @Test func noiseWithoutSignalIsTheWorst() {
    #expect(sums([0, 0], [0, 1]).signalToNoise == -.infinity)
    #expect(sums([0, 0], [0, 1]).cosine == 0)
  }
}
