import CKernels

/// The columns of a tensor in a report about distributions.
///
/// Elements that are not finite are left out of all but `sparsity` and `clip`, which are fractions
/// of all elements, and of `cosineSimilarity`, which is 0 with them. Without any finite element
/// minimum to variance are NaN.
public struct DistributionSummary: Hashable, Sendable {
  /// The smallest element.
  public let minimum: Float
  /// The n finite elements in ascending order: the one at position int(n / 4).
  public let firstQuartile: Float
  /// The one at position int(n / 2).
  public let median: Float
  /// The one at position int(3 n / 4).
  public let thirdQuartile: Float
  /// The largest element.
  public let maximum: Float
  /// The mean, summed in float64.
  public let mean: Double
  /// The mean squared difference from the mean, summed in float64.
  public let variance: Double
  /// The fraction of elements that are 0; 0 for a tensor without elements.
  public let sparsity: Double
  /// The fraction of the original's finite elements below `minimum` or above `maximum`; nil without a
  /// comparable original.
  public let clip: Double?
  /// The cosine of the angle to the original; nil without a comparable original.
  public let cosineSimilarity: Double?

  /// Summarizes a tensor that stands for itself: nothing is clipped, and the cosine is 1.
  public init(_ elements: UnsafeBufferPointer<Float>) {
    self.init(elements, clip: 0, cosineSimilarity: 1)
  }

  /// Summarizes a dequantized tensor and compares it with the original; where they differ in the
  /// number of elements there is no comparison.
  ///
  /// - Complexity: O(elements), 2 to 3 ns for each.
  public init(
    dequantized: UnsafeBufferPointer<Float>, original: UnsafeBufferPointer<Float>
  ) {
    guard dequantized.count == original.count else {
      self.init(dequantized, clip: nil, cosineSimilarity: nil)
      return
    }
    self.init(
      dequantized, clip: DistributionSummary.clip(dequantized, original),
      cosineSimilarity: DistributionSummary.cosine(dequantized, original))
  }

  private init(_ elements: UnsafeBufferPointer<Float>, clip: Double?, cosineSimilarity: Double?) {
    var histogram = Histogram()
    var extent = Extent.nothing
    histogram.add(elements, &extent)
    let order = OrderStatistics(elements, histogram, extent)
    let size = Double(order.count)
    let quartiles = order.values(at: [0.25, 0.5, 0.75].map { Int($0 * size) })
    (minimum, maximum) = (
      extent.range?.lowerBound ?? .nan, extent.range?.upperBound ?? .nan
    )
    firstQuartile = quartiles.first ?? .nan
    median = quartiles.dropFirst().first ?? .nan
    thirdQuartile = quartiles.last ?? .nan
    var sum = 0.0
    var spread = 0.0
    if let base = elements.baseAddress {
      gs_channel_sums(base, 1, 1, elements.count, &sum, nil)
      spread = gs_spread(base, elements.count, sum / size)
    }
    mean = sum / size
    variance = spread / size
    sparsity = elements.isEmpty ? 0 : Double(extent.zeros) / Double(elements.count)
    self.clip = clip
    self.cosineSimilarity = cosineSimilarity
  }

  private static func clip(
    _ dequantized: UnsafeBufferPointer<Float>, _ original: UnsafeBufferPointer<Float>
  ) -> Double {
    guard let base = original.baseAddress, !original.isEmpty else { return 0 }
    let range = Extent(of: dequantized).range
    let outside = gs_count_outside(
      base, original.count, range?.lowerBound ?? .infinity, range?.upperBound ?? -.infinity)
    return Double(outside) / Double(original.count)
  }

  /// a b / (|a| |b|) in float64. Both squared norms below 2.2e-16: 1; their product below it, or
  /// anything not finite: 0.
  private static func cosine(
    _ first: UnsafeBufferPointer<Float>, _ second: UnsafeBufferPointer<Float>
  ) -> Double {
    guard let a = first.baseAddress, let b = second.baseAddress else { return 1 }
    var (product, squaresA, squaresB) = (0.0, 0.0, 0.0)
    gs_pair_sums(a, b, first.count, &product, &squaresA, &squaresB)
    guard product.isFinite, squaresA.isFinite, squaresB.isFinite else { return 0 }
    let least = Double.ulpOfOne
    if squaresA < least, squaresB < least { return 1 }
    if squaresA * squaresB < least { return 0 }
    return min(1, max(-1, product / (squaresA.squareRoot() * squaresB.squareRoot())))
  }
}
