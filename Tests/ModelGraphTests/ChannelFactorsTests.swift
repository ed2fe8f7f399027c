import Testing

@testable import ModelGraph

@Suite struct ChannelFactorsTests {
  @Test func eachChannelIsDividedByItsFactor() {
    let factors = ActivationQuantization.ChannelFactors(
      trailingAxes: 1, values: [2, 4], equalized: [])
    var elements: [Float] = [2, 4, 4, 8, 6, 8, 12, 16]
    factors.remove(from: &elements, extents: [2, 2, 2])
    #expect(elements == [1, 2, 1, 2, 3, 4, 3, 4])
  }

  @Test(arguments: [[], [8], [8, 1], [2, 4, 1]])
  func otherChannelsAreLeftAlone(extents: [Int]) {
    let factors = ActivationQuantization.ChannelFactors(
      trailingAxes: 1, values: [2, 4], equalized: [])
    var elements: [Float] = [1, 2, 3, 4, 5, 6, 7, 8]
    factors.remove(from: &elements, extents: extents)
    #expect(elements == [1, 2, 3, 4, 5, 6, 7, 8])
  }
}
