/// What calibration found out about one activation.
public struct ActivationFacts: Sendable {
  /// The lower end of the range that integers shall span.
  public var lower: Float
  /// The upper end of that range.
  public var upper: Float
  /// The share of its elements outside that range; nil where it wasn't gathered.
  public var outsideShare: Double?
  /// The mean of each channel over all samples and positions; empty where it wasn't gathered.
  public var channelMeans: [Double]
  /// The variance of each channel.
  public var channelVariances: [Double]
  /// The least element of each channel; empty where it wasn't gathered.
  public var channelMinima: [Float]
  /// The greatest element of each channel.
  public var channelMaxima: [Float]
  /// The mean over samples of each channel's largest magnitude in a sample.
  public var channelReaches: [Float]
  /// How many elements each channel had, over all samples.
  public var elementsPerChannel: Int

  /// States facts.
  public init(
    lower: Float, upper: Float, channelMeans: [Double] = [], channelVariances: [Double] = [],
    channelMinima: [Float] = [], channelMaxima: [Float] = [], channelReaches: [Float] = [],
    elementsPerChannel: Int = 0
  ) {
    self.channelReaches = channelReaches
    self.channelMinima = channelMinima
    self.channelMaxima = channelMaxima
    self.elementsPerChannel = elementsPerChannel
    self.lower = lower
    self.upper = upper
    self.channelMeans = channelMeans
    self.channelVariances = channelVariances
  }

  /// How much farther than its range each channel may reach on data not seen: the ratio of its
  /// largest magnitude to that of a usual sample. Near 1 for channels that every sample excites,
  /// large for detectors of what few samples hold.
  var rangeDoubts: [Float] {
    zip(zip(channelMinima, channelMaxima), channelReaches).map { range, reach in
      let largest = max(abs(range.0), abs(range.1))
      return reach > 0 && largest > reach ? largest / reach : 1
    }
  }

  /// The mean square of each channel, of which a corrected bias gives most of the mean's share back.
  var channelPower: [Double] {
    zip(channelVariances, channelMeans).map { $0 + 0.1 * $1 * $1 }
  }

  /// Whether the range is that of a mask or the like, beside which nothing else would be told apart.
  public var isHuge: Bool { max(abs(lower), abs(upper)) >= DelicateArithmetic.hugeMagnitude }

  /// The facts with each channel multiplied by a factor.
  func multiplied(by factors: [Float]) -> ActivationFacts {
    var result = self
    guard factors.count == channelMeans.count else { return result }
    for (index, factor) in factors.enumerated() {
      result.channelMeans[index] *= Double(factor)
      result.channelVariances[index] *= Double(factor) * Double(factor)
    }
    return result
  }

  /// The means in units of the channels' typical deviation, in sixty-fourths, for integer
  /// arithmetic; nil where they are too small to matter.
  var relativeMeans: [Int32]? {
    guard !channelMeans.isEmpty, channelMeans.count == channelVariances.count else { return nil }
    let typical =
      (channelVariances.reduce(0, +) / Double(channelVariances.count)).squareRoot()
    guard typical > 0, typical.isFinite else { return nil }
    return channelMeans.map { Int32(max(-4096, min(4096, ($0 / typical * 64).rounded()))) }
  }
}
