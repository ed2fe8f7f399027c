import CKernels

/// What one pass over calibration samples tells about a tensor.
///
/// Made from one sample and merged: fold samples in the order of their indices, and nothing depends
/// on which thread looked at which sample. All but the sums are the same in any order. Memory
/// doesn't grow with the number of samples.
public struct TensorStatistics: Hashable, Sendable {
  /// Number of samples, including those without elements.
  public private(set) var sampleCount = 0
  /// Number of elements, finite or not.
  public private(set) var count = 0
  /// Number of elements that are 0, of either sign.
  public private(set) var zeroCount = 0
  /// Number of NaN elements.
  public private(set) var notANumberCount = 0
  /// Number of infinite elements.
  public private(set) var infinityCount = 0
  /// The smallest and the largest finite element; nil where there is none. Zeros are positive.
  public private(set) var range: ClosedRange<Float>?
  /// The sum of the finite elements, if that was asked for; float32 partial sums of eight.
  public private(set) var sum: Double?
  /// Where the finite elements other than 0 lie, if that was asked for.
  public private(set) var histogram: Histogram?
  /// What was asked for about channels; nil too if samples differ in the number of channels.
  public private(set) var channels: ChannelStatistics?
  /// Sums of the tails' bounds, and how many samples have them.
  private var tails: Tails?

  private struct Tails: Hashable {
    var lower = 0.0
    var upper = 0.0
    var samples = 0
  }

  /// Statistics of nothing; merging them changes nothing.
  public init() {}

  /// Looks at one sample.
  ///
  /// The tails are, of the n finite elements in ascending order, the one at int(0.0001 n) and the
  /// one at int(0.9999 n), both products in float64.
  ///
  /// - Parameters:
  ///   - elements: the sample, in memory order.
  ///   - arrangement: where the channels are; without it, or if it is of another number of
  ///     elements, nothing is gathered about channels.
  ///   - request: what to gather.
  /// - Complexity: O(elements); about one pass for range and histogram, a pass that mostly skips for
  ///   the tails, and one or two for channels.
  public init(
    sample elements: UnsafeBufferPointer<Float>, arrangement: ChannelArrangement? = nil,
    request: StatisticsRequest
  ) {
    sampleCount = 1
    count = elements.count
    var extent = Extent.nothing
    if request.isDisjoint(with: [.histogram, .tails]) {
      if request.contains(.sum) {
        (extent, sum) = Extent.withSum(of: elements)
      } else {
        extent = Extent(of: elements)
      }
    } else {
      var histogram = Histogram()
      histogram.add(elements, &extent)
      if request.contains(.histogram) { self.histogram = histogram }
      if request.contains(.tails) {
        tails = TensorStatistics.tails(OrderStatistics(elements, histogram, extent))
      }
      if request.contains(.sum) { sum = Extent.withSum(of: elements).sum }
    }
    (zeroCount, notANumberCount) = (Int(extent.zeros), Int(extent.not_numbers))
    infinityCount = Int(extent.infinities)
    range = extent.range
    let channelParts: StatisticsRequest = [.channelRanges, .channelSquares]
    if !request.isDisjoint(with: channelParts), let arrangement,
      arrangement.count == elements.count
    {
      channels = ChannelStatistics(elements, arrangement, request)
    }
  }

  private static func tails(_ order: OrderStatistics) -> Tails {
    let size = Double(order.count)
    let values = order.values(at: [Int(0.0001 * size), Int(0.9999 * size)])
    guard values.count == 2 else { return Tails() }
    return Tails(lower: Double(values[0]), upper: Double(values[1]), samples: 1)
  }

  /// Adds the samples of `other`, which follow those here.
  ///
  /// What only one of the two gathered is dropped.
  ///
  /// - Complexity: O(channels), and O(1) for all else.
  public mutating func merge(_ other: TensorStatistics) {
    guard other.sampleCount > 0 else { return }
    guard sampleCount > 0 else {
      self = other
      return
    }
    sampleCount += other.sampleCount
    count += other.count
    zeroCount += other.zeroCount
    notANumberCount += other.notANumberCount
    infinityCount += other.infinityCount
    range = TensorStatistics.union(range, other.range)
    merge(\.sum, other) { $0 += $1 }
    merge(\.histogram, other) { $0.merge($1) }
    if let mine = channels, let others = other.channels, !mine.matches(others) { channels = nil }
    merge(\.channels, other) { $0.merge($1) }
    merge(\.tails, other) {
      $0.lower += $1.lower
      $0.upper += $1.upper
      $0.samples += $1.samples
    }
  }

  /// Merges a part in place, or drops it where one side lacks it.
  private mutating func merge<Part>(
    _ part: WritableKeyPath<TensorStatistics, Part?>, _ other: TensorStatistics,
    _ merge: (inout Part, Part) -> Void
  ) {
    guard let others = other[keyPath: part] else {
      self[keyPath: part] = nil
      return
    }
    if var mine = self[keyPath: part] {
      self[keyPath: part] = nil
      merge(&mine, others)
      self[keyPath: part] = mine
    }
  }

  private static func union(
    _ first: ClosedRange<Float>?, _ second: ClosedRange<Float>?
  ) -> ClosedRange<Float>? {
    guard let first, let second else { return first ?? second }
    return min(first.lowerBound, second.lowerBound)...max(first.upperBound, second.upperBound)
  }

  /// Number of finite elements.
  public var finiteCount: Int { count - notANumberCount - infinityCount }

  /// The share of the finite elements that lie outside a range by a bin of the histogram or more;
  /// nil without a histogram.
  public func share(outside lower: Float, _ upper: Float) -> Double? {
    guard finiteCount > 0, lower.isFinite, upper.isFinite else { return nil }
    return histogram.map {
      Double($0.count(outside: Double(lower), Double(upper))) / Double(finiteCount)
    }
  }

  /// The means over samples of the bounds of their tails, if they were asked for; samples without
  /// finite elements have none.
  public var meanTails: ClosedRange<Float>? {
    guard let tails, tails.samples > 0 else { return nil }
    let lower = Float(tails.lower / Double(tails.samples))
    return lower...max(lower, Float(tails.upper / Double(tails.samples)))
  }
}
