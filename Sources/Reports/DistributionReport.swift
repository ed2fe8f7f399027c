import Statistics
import Support

/// A tensor at a node, in the float model and in the quantized one.
public struct DistributionPair: Sendable {
  /// The node's name.
  public var node: String
  /// Its operator.
  public var operatorType: String
  /// The tensor's name in the float model.
  public var tensor: String
  /// Whether the node reads it; else it makes it.
  public var isInput: Bool
  /// Whether it is a constant.
  public var isConstant: Bool
  /// Its distribution in the float model.
  public var original: DistributionSummary
  /// Its distribution in the quantized model, and what is lost.
  public var dequantized: DistributionSummary

  /// States a pair.
  public init(
    node: String, operatorType: String, tensor: String, isInput: Bool, isConstant: Bool,
    original: DistributionSummary, dequantized: DistributionSummary
  ) {
    self.node = node
    self.operatorType = operatorType
    self.tensor = tensor
    self.isInput = isInput
    self.isConstant = isConstant
    self.original = original
    self.dequantized = dequantized
  }
}

/// `round_0.csv`, `round_1.csv` and so on: how each tensor's elements are distributed in one run of
/// the float model (rows with `Origin`) and of the quantized one (`Dequant`). Both rows of a tensor
/// have the same node and tensor names. Var is the variance; a number that there isn't is empty.
public enum DistributionReport {
  /// The file's name.
  public static func fileName(round: Int) -> String { "round_\(round).csv" }

  private static let header = [
    "NodeName", "NodeType", "TensorName", "InOutFlag", "DataTypeFlag", "TensorTypeFlag", "Min",
    "Q1", "Median", "Q3", "MAX", "Mean", "Var", "Sparsity", "Clip", "CosineSimilarity",
  ]

  /// The file's bytes: two rows for each pair, in the order given.
  public static func csv(_ pairs: [DistributionPair]) -> [UInt8] {
    var csv = CSVWriter()
    csv.append(header)
    for pair in pairs {
      let head = [pair.node, pair.operatorType, pair.tensor, pair.isInput ? "Input" : "Output"]
      let kind = pair.isConstant ? "Weight" : "Activation"
      csv.append(head + ["Origin", kind] + numbers(of: pair.original))
      csv.append(head + ["Dequant", kind] + numbers(of: pair.dequantized))
    }
    return csv.bytes
  }

  private static func numbers(of summary: DistributionSummary) -> [String] {
    let order = [
      summary.minimum, summary.firstQuartile, summary.median, summary.thirdQuartile,
      summary.maximum,
    ]
    return (order.map(Double.init) + [summary.mean, summary.variance, summary.sparsity]).map(text)
      + [summary.clip, summary.cosineSimilarity].map { $0.map(text) ?? "" }
  }

  static func text(_ number: Double) -> String { NumberText.significant(number, 9) }
}
