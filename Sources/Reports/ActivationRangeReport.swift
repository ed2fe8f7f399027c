import Support

/// What values the float activations of a model take, as a CSV file: a row for each.
public enum ActivationRangeReport {
  /// One activation.
  public struct Row: Sendable {
    /// Its name in the graph.
    public var name: String
    /// Its extents.
    public var shape: [Int]
    /// The smallest and the largest finite element; nil where there is none.
    public var range: ClosedRange<Float>?
    /// The mean of the finite elements; nil where there is none.
    public var mean: Double?
    /// Elements that are 0, of all; 0 where there is none.
    public var zeroShare: Double
    /// Number of elements that are NaN or infinite.
    public var notFiniteCount: Int

    /// States a row.
    public init(
      name: String, shape: [Int], range: ClosedRange<Float>?, mean: Double?, zeroShare: Double,
      notFiniteCount: Int
    ) {
      self.name = name
      self.shape = shape
      self.range = range
      self.mean = mean
      self.zeroShare = zeroShare
      self.notFiniteCount = notFiniteCount
    }
  }

  private static let header = [
    "TensorName", "Dims", "Min", "Max", "Mean", "ZeroShare", "NotFinite",
  ]

  /// The file's bytes; what there is not, of an empty tensor for example, is an empty field. Floats
  /// have the digits that give the same float again.
  ///
  /// - Complexity: O(rows).
  public static func csv(_ rows: [Row]) -> [UInt8] {
    var csv = CSVWriter()
    csv.append(header)
    for row in rows {
      csv.append([
        row.name, row.shape.map(String.init).joined(separator: " "),
        number(row.range.map { Double($0.lowerBound) }, 9),
        number(row.range.map { Double($0.upperBound) }, 9), number(row.mean, 9),
        number(row.zeroShare, 6), String(row.notFiniteCount),
      ])
    }
    return csv.bytes
  }

  private static func number(_ value: Double?, _ digits: Int) -> String {
    value.map { NumberText.significant($0, digits) } ?? ""
  }
}
