import ModelGraph
import Support

/// What a model sees of one tensor, in a few numbers.
public struct SampleStatistics: Hashable, Sendable {
  /// The mean of all elements; 0 without elements.
  public let mean: Double
  /// The standard deviation of all elements, of the population.
  public let standardDeviation: Double
  /// The smallest element; 0 without elements.
  public let minimum: Double
  /// The largest element; 0 without elements.
  public let maximum: Double

  /// Counts a tensor; nil where elements aren't real numbers.
  ///
  /// - Complexity: O(elements).
  init?(of tensor: TensorData) {
    guard let numbers = TensorNumbers.read(tensor) else { return nil }
    let count = Double(max(1, numbers.count))
    let mean = numbers.reduce(0, +) / count
    self.mean = mean
    let squares = numbers.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    standardDeviation = (squares / count).squareRoot()
    minimum = numbers.min() ?? 0
    maximum = numbers.max() ?? 0
  }

  /// `mean -0.03  std 0.99  range -2.12..2.64`, with three digits.
  public var text: String {
    func digits(_ value: Double) -> String { NumberText.significant(value, 3) }
    return "mean \(digits(mean))  std \(digits(standardDeviation))  "
      + "range \(digits(minimum))..\(digits(maximum))"
  }
}

/// What the first sample of a calibration set gives an input.
public struct FirstSample: Hashable, Sendable {
  /// The input's name.
  public let input: String
  /// The folder of its files.
  public let folder: String
  /// How many samples there are, and of which kind: `100 images`.
  public let files: String
  /// `float32[1,3,224,224]`.
  public let type: String
  /// Statistics after all preprocessing; nil where elements aren't real numbers.
  public let statistics: SampleStatistics?

  /// `100 images from calib/   first sees float32[1,3,224,224]  mean -0.03 ...`.
  public var text: String {
    "\(files) from \(folder)   first sees \(type)" + (statistics.map { "  " + $0.text } ?? "")
  }
}
