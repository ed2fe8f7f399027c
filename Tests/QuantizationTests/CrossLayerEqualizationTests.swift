import Testing

@testable import Quantization

/// Factors for channels between operators whose weights have one scale each.
struct CrossLayerEqualizationTests {
  private func equalization(
    upper: [Float], made: [Float], read: [Float], limit: Float? = nil
  ) -> CrossLayerEqualization {
    let count = upper.count
    return CrossLayerEqualization(
      lower: Array(repeating: 0, count: count), upper: upper,
      doubts: Array(repeating: 1, count: count), power: upper.map { Double($0 * $0) / 3 },
      limit: limit,
      maker: .init(largest: made, energy: Array(repeating: 9, count: count)),
      readers: [
        .init(
          largest: read, squares: read.map { Double($0 * $0) * 4 },
          results: Array(repeating: 16, count: count))
      ])
  }

  @Test func factorsEvenOutWeightsOnBothSides() throws {
    // What one side lacks the other has too much of.
    let uneven = equalization(upper: [8, 1, 0.125], made: [8, 1, 0.125], read: [0.125, 1, 8])
    let found = try #require(uneven.choice())
    let ratios = found.factors.map { $0 / found.factors[1] }
    #expect(abs(ratios[0] - 0.125) < 0.01 && abs(ratios[2] - 8) < 0.1, "\(ratios)")
    #expect(equalization(upper: [1, 1], made: [1, 1], read: [1, 1]).choice() == nil)
  }

  @Test func aSilentChannelDoesNoHarm() throws {
    let found = try #require(
      equalization(upper: [8, 0, 0.125], made: [8, 0, 0.125], read: [0.125, 0, 8]).choice())
    #expect(found.factors.allSatisfy { $0 > 0 && $0.isFinite })
    #expect(found.upper.isFinite)
  }

  /// The highest integer stands for the Clip: channels that reach it keep their scale, others are cut
  /// no lower than they reach.
  @Test func aClipStaysWhereItWas() throws {
    let upper: [Float] = [6, 6, 0.5, 0.1]
    let found = try #require(
      equalization(upper: upper, made: [4, 4, 0.2, 0.05], read: [1, 1, 2, 4], limit: 6).choice())
    #expect(found.factors[0] == 1 && found.factors[1] == 1)
    #expect(found.factors[3] > 4)
    #expect(found.upper == 6)
    for (factor, reach) in zip(found.factors, upper) { #expect(factor * reach <= 6) }
    let low = try #require(
      equalization(upper: [2, 0.1], made: [4, 0.1], read: [1, 3], limit: 6).choice())
    #expect(zip(low.factors, [2, 0.1]).allSatisfy { $0 * $1 <= 6 } && low.upper <= 6)
  }
}
