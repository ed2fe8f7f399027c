import CKernels

/// How many values lie where: 2048 bins of equal width on each side of 0, over the open interval
/// from -2^`exponent` to 2^`exponent`.
///
/// `exponent` is the least with all values inside, but not below -116, so that values below 2^-127
/// share the innermost bins. When it grows, pairs of bins are merged, which gives exactly the bins
/// of the wider histogram. A histogram thus depends on the values alone, not on their order or on
/// how they came to be merged. Zeros and values that are not finite are not in it.
public struct Histogram: Hashable, Sendable {
  /// Bins on each side of 0.
  public static let binsPerSide = GS_SIDE_BINS

  /// The base-2 logarithm of the bound of all magnitudes.
  public private(set) var exponent: Int = GS_LEAST_EXPONENT
  private var line = [UInt64](repeating: 0, count: 2 * binsPerSide)

  /// A histogram of nothing.
  public init() {}

  /// Adds values and widens `extent` by them.
  mutating func add(_ elements: UnsafeBufferPointer<Float>, _ extent: inout gs_extent) {
    guard let base = elements.baseAddress else { return }
    exponent = Int(
      gs_add_to_histogram(base, elements.count, &extent, Int32(exponent), &line))
  }

  /// Adds the values of another histogram.
  public mutating func merge(_ other: Histogram) {
    var other = other
    widen(to: other.exponent)
    other.widen(to: exponent)
    for index in line.indices { line[index] += other.line[index] }
  }

  private mutating func widen(to wider: Int) {
    guard wider > exponent else { return }
    gs_merge_bins(&line, Int32(wider - exponent))
    exponent = wider
  }

  /// The width of a bin, a power of two.
  public var binWidth: Double { Double(sign: .plus, exponent: exponent - 11, significand: 1) }

  /// The bins from the most negative values to the most positive; `line[2048 + i]` counts values
  /// from i to below i + 1 bin widths, `line[2047 - i]` those as far below 0.
  public var counts: [UInt64] { line }

  /// The counts of positive values from 0 outward, without the empty bins at the end.
  public var positives: [UInt64] { outward(line[Histogram.binsPerSide...]) }

  /// The counts of negative values from 0 outward, without the empty bins at the end.
  public var negatives: [UInt64] { outward(line[..<Histogram.binsPerSide].reversed()) }

  /// How many values lie in bins that are wholly outside a range.
  func count(outside lower: Double, _ upper: Double) -> Int {
    var count: UInt64 = 0
    for index in 0..<Histogram.binsPerSide {
      let (inner, outer) = (Double(index) * binWidth, Double(index + 1) * binWidth)
      if inner > upper || outer <= lower { count += line[Histogram.binsPerSide + index] }
      if -inner < lower || -outer >= upper { count += line[Histogram.binsPerSide - 1 - index] }
    }
    return Int(count)
  }

  private func outward(_ side: some BidirectionalCollection<UInt64>) -> [UInt64] {
    guard let last = side.lastIndex(where: { $0 > 0 }) else { return [] }
    return Array(side[...last])
  }
}
