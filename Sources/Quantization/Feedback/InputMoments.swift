import CKernels

/// First and second moments of an operator's inputs: what an error of its weights costs.
///
/// For each group of input channels a symmetric matrix of `columns` squared, of which the upper
/// triangle counts, and as many sums.
public struct InputMoments: Sendable {
  /// Groups of input channels.
  public let groups: Int
  /// Inputs of a group.
  public let columns: Int
  /// Rows that were added.
  public private(set) var count = 0
  /// Sums of products, `[groups][columns][columns]`.
  private(set) var products: [Double]
  /// Sums, `[groups][columns]`.
  private(set) var sums: [Double]

  /// Moments of nothing.
  public init(groups: Int, columns: Int) {
    self.groups = groups
    self.columns = columns
    products = [Double](repeating: 0, count: groups * columns * columns)
    sums = [Double](repeating: 0, count: groups * columns)
  }

  /// What one sample adds, in single precision.
  public struct Part: Sendable {
    fileprivate var count = 0
    fileprivate var products: [Float]
    fileprivate var sums: [Float]
    private let groups: Int
    private let columns: Int
    fileprivate let isDepthwise: Bool

    /// Nothing yet; depthwise parts keep groups innermost.
    public init(groups: Int, columns: Int, isDepthwise: Bool) {
      self.groups = groups
      self.columns = columns
      self.isDepthwise = isDepthwise
      products = [Float](repeating: 0, count: groups * columns * columns)
      sums = [Float](repeating: 0, count: groups * columns)
    }

    /// Adds rows `[rows][columns]` of a group, or `[rows][columns][groups]` of all if depthwise.
    ///
    /// - Complexity: O(rows * columns²), for depthwise rows times groups.
    public mutating func add(_ rows: UnsafeBufferPointer<Float>, count: Int, group: Int) {
      guard let base = rows.baseAddress else { return }
      if group == 0 { self.count += count }
      let square = columns * columns
      products.withUnsafeMutableBufferPointer { products in
        guard let target = products.baseAddress else { return }
        if isDepthwise {
          gs_add_channel_products(base, count, columns, groups, target)
        } else {
          gs_add_products(base, count, columns, target + group * square)
        }
      }
      sums.withUnsafeMutableBufferPointer { sums in
        guard let target = sums.baseAddress else { return }
        gs_add_rows(
          base, count, isDepthwise ? columns * groups : columns,
          isDepthwise ? target : target + group * columns)
      }
    }
  }

  /// Adds what a sample told.
  public mutating func merge(_ part: Part) {
    count += part.count
    InputMoments.merge(part.products, groups, part.isDepthwise, into: &products)
    InputMoments.merge(part.sums, groups, part.isDepthwise, into: &sums)
  }

  /// Adds numbers of all groups, innermost or outermost, to totals that have groups outermost.
  private static func merge(
    _ part: [Float], _ groups: Int, _ isInnermost: Bool, into totals: inout [Double]
  ) {
    let size = part.count / max(1, groups)
    for group in 0..<groups {
      let (first, step) = isInnermost ? (group, groups) : (group * size, 1)
      for element in 0..<size {
        totals[group * size + element] += Double(part[first + element * step])
      }
    }
  }

  /// A group's mean products, the whole symmetric matrix, and as often as `meanWeight` says the
  /// products of means; with -1 that is what varies around the means.
  func matrix(_ group: Int, meanWeight: Double = 0) -> [Double] {
    var matrix = [Double](repeating: 0, count: columns * columns)
    guard count > 0 else { return matrix }
    let means = means(group)
    let first = group * columns * columns
    for row in 0..<columns {
      for column in row..<columns {
        var product = products[first + row * columns + column] / Double(count)
        product += meanWeight * means[row] * means[column]
        matrix[row * columns + column] = product
        matrix[column * columns + row] = product
      }
    }
    return matrix
  }

  /// A group's mean inputs.
  func means(_ group: Int) -> [Double] {
    sums[group * columns..<(group + 1) * columns].map { count > 0 ? $0 / Double(count) : 0 }
  }
}
