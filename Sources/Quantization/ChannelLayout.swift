/// How a tensor's elements belong to channels: element `(outer * channels + channel) * inner + i`.
public struct ChannelLayout: Hashable, Sendable {
  /// Product of extents before the channel axis.
  public let outer: Int
  /// Extent of the channel axis.
  public let channels: Int
  /// Product of extents after the channel axis.
  public let inner: Int
  /// Elements that make one kernel in a channel's elements put in a row: the spatial kernel of a
  /// convolution, all inputs of a matrix product.
  public let kernel: Int

  /// The layout of a tensor along `axis`; `kernelAxis` is where a spatial kernel begins.
  public init(dimensions: [Int], axis: Int, kernelAxis: Int?) {
    outer = dimensions[..<axis].reduce(1, *)
    channels = dimensions[axis]
    inner = dimensions[(axis + 1)...].reduce(1, *)
    if let kernelAxis {
      kernel = dimensions[min(kernelAxis, dimensions.count)...].reduce(1, *)
    } else if axis == dimensions.count - 1 {
      kernel = dimensions.count > 1 ? dimensions[axis - 1] : 1
    } else {
      kernel = inner
    }
  }

  /// Elements of one channel.
  public var elementsPerChannel: Int { outer * inner }
}
