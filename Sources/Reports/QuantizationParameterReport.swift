import Support

/// A quantized tensor at a node that uses or makes it.
public struct QuantizedTensor: Sendable {
  /// The node's name.
  public var node: String
  /// Its operator.
  public var operatorType: String
  /// The tensor's name in the float model.
  public var tensor: String
  /// Its extents.
  public var dimensions: [Int]
  /// The scale of each channel, or one for all.
  public var scales: [Float]
  /// The zero point of each scale.
  public var zeroPoints: [Int32]
  /// What is added to each channel after scaling; empty where nothing is.
  public var offsets: [Float]
  /// Bits that an integer uses, or that one takes on the mean where they are packed.
  public var bits: Double

  /// States a tensor and its parameters.
  public init(
    node: String, operatorType: String, tensor: String, dimensions: [Int], scales: [Float],
    zeroPoints: [Int32], offsets: [Float] = [], bits: Double
  ) {
    self.node = node
    self.operatorType = operatorType
    self.tensor = tensor
    self.dimensions = dimensions
    self.scales = scales
    self.zeroPoints = zeroPoints
    self.offsets = offsets
    self.bits = bits
  }
}

/// `quant_param.csv`: the parameters of every quantized tensor, a row for each channel.
///
/// `real = (integer - ZeroPoint) * Scale * CorrectionVar + CorrectionMean`. What corrects the spread is
/// part of the scale, so that CorrectionVar is 1.
public enum QuantizationParameterReport {
  /// The file's name.
  public static let fileName = "quant_param.csv"

  private static let header = [
    "NodeName", "NodeType", "TensorName", "ElementsNum", "Dims", "Scale", "ZeroPoint", "Bits",
    "CorrectionVar", "CorrectionMean",
  ]

  /// The file's bytes: tensors in the order given, their channels ascending.
  ///
  /// - Complexity: O(channels).
  public static func csv(_ tensors: [QuantizedTensor]) -> [UInt8] {
    var csv = CSVWriter()
    csv.append(header)
    for tensor in tensors {
      let head = [
        tensor.node, tensor.operatorType, tensor.tensor,
        String(tensor.dimensions.reduce(1, *)),
        tensor.dimensions.map(String.init).joined(separator: " "),
      ]
      for (index, (scale, zeroPoint)) in zip(tensor.scales, tensor.zeroPoints).enumerated() {
        let offset = tensor.offsets.isEmpty ? 0 : tensor.offsets[index]
        csv.append(
          head + [
            NumberText.significant(Double(scale), 9), String(zeroPoint),
            NumberText.significant(tensor.bits, 4), "1",
            offset == 0 ? "0" : NumberText.significant(Double(offset), 9),
          ])
      }
    }
    return csv.bytes
  }
}
