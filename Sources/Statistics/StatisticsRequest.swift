/// What to gather about a tensor beside its range and its counts, which are always known.
public struct StatisticsRequest: OptionSet, Hashable, Sendable {
  /// The bits that stand for the parts.
  public let rawValue: UInt8

  /// The request with these bits.
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// How many values lie in each bin: for KL, AUTO, and expected errors.
  public static let histogram = StatisticsRequest(rawValue: 1)
  /// Where the outermost ten-thousandth of each sample begins: for REMOVAL_OUTLIER.
  public static let tails = StatisticsRequest(rawValue: 2)
  /// Smallest and largest value of each channel.
  public static let channelRanges = StatisticsRequest(rawValue: 4)
  /// Sum over each channel: for bias correction.
  public static let channelSums = StatisticsRequest(rawValue: 8)
  /// Sum of squares over each channel; brings `channelSums`.
  public static let channelSquares: StatisticsRequest = [.channelSums, .init(rawValue: 16)]
  /// Sum over all elements.
  public static let sum = StatisticsRequest(rawValue: 32)
}
