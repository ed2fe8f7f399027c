import CKernels

/// What is known about each channel of a tensor. Values that are not finite are left out.
public struct ChannelStatistics: Hashable, Sendable {
  /// Number of elements of each channel, finite or not.
  public private(set) var elementsPerChannel = 0
  /// The smallest value of each channel, infinity where it has none; empty unless asked for.
  public private(set) var minimums: [Float] = []
  /// The largest value of each channel, -infinity where it has none; empty unless asked for.
  public private(set) var maximums: [Float] = []
  /// The sum of each channel; empty unless asked for.
  public private(set) var sums: [Double] = []
  /// The sum of squares of each channel; empty unless asked for.
  public private(set) var squares: [Double] = []

  /// Number of channels.
  public let count: Int

  /// Looks at one sample.
  ///
  /// Sums have a fixed order of additions, so that they don't depend on the processor.
  ///
  /// - Complexity: O(elements), one pass for ranges and one for sums.
  init(
    _ elements: UnsafeBufferPointer<Float>, _ arrangement: ChannelArrangement,
    _ request: StatisticsRequest
  ) {
    let (outer, inner) = (arrangement.outer, arrangement.inner)
    count = arrangement.channels
    elementsPerChannel = outer * inner
    let zeros = [Double](repeating: 0, count: count)
    if request.contains(.channelRanges) {
      minimums = [Float](repeating: .infinity, count: count)
      maximums = [Float](repeating: -.infinity, count: count)
    }
    if request.contains(.channelSums) { sums = zeros }
    if request.contains(.channelSquares) { squares = zeros }
    guard let base = elements.baseAddress, arrangement.count > 0 else { return }
    if request.contains(.channelRanges) {
      gs_channel_ranges(base, outer, count, inner, &minimums, &maximums)
      for index in 0..<count {
        minimums[index] += 0
        maximums[index] += 0
      }
    }
    if request.contains(.channelSquares) {
      gs_channel_sums(base, outer, count, inner, &sums, &squares)
    } else if request.contains(.channelSums) {
      gs_channel_sums(base, outer, count, inner, &sums, nil)
    }
  }

  /// Adds another sample's channels, as many as here.
  mutating func merge(_ other: ChannelStatistics) {
    elementsPerChannel += other.elementsPerChannel
    for index in minimums.indices {
      minimums[index] = min(minimums[index], other.minimums[index])
      maximums[index] = max(maximums[index], other.maximums[index])
    }
    for index in sums.indices { sums[index] += other.sums[index] }
    for index in squares.indices { squares[index] += other.squares[index] }
  }

  /// Whether the same was gathered of as many channels.
  func matches(_ other: ChannelStatistics) -> Bool {
    count == other.count && minimums.count == other.minimums.count
      && sums.count == other.sums.count && squares.count == other.squares.count
  }
}
