/// Where the channels of a tensor lie in memory: as the middle axis of [outer, channels, inner].
///
/// An inner extent of 1 is the channels-last arrangement.
public struct ChannelArrangement: Hashable, Sendable {
  /// Product of the extents before the channel axis.
  public let outer: Int
  /// Number of channels.
  public let channels: Int
  /// Product of the extents after the channel axis.
  public let inner: Int

  /// The arrangement where `axis` of `extents`, both in memory order, holds the channels; nil for
  /// an axis that isn't there, a negative extent, or more elements than an Int counts.
  public init?(extents: [Int], axis: Int) {
    guard extents.indices.contains(axis), let outer = product(extents[..<axis]),
      let inner = product(extents[(axis + 1)...]), extents[axis] >= 0,
      let count = product([outer, extents[axis], inner][...])
    else { return nil }
    (self.outer, channels, self.inner, self.count) = (outer, extents[axis], inner, count)
  }

  /// Number of elements.
  let count: Int
}

/// The product of extents, nil where one is negative or the product overflows.
private func product(_ extents: ArraySlice<Int>) -> Int? {
  var product = 1
  for extent in extents {
    let (next, overflows) = product.multipliedReportingOverflow(by: extent)
    guard extent >= 0, !overflows else { return nil }
    product = next
  }
  return product
}
