import ModelGraph
import Quantization
import Support

/// `quant_param.csv`: the parameters of every quantized tensor, a row for each channel.
///
/// `real = (integer - ZeroPoint) * Scale * CorrectionVar + CorrectionMean`. In an ONNX file the
/// correction is part of the scale, so that its own columns are 1 and 0 there.
public enum QuantizationParameterReport {
  /// The file's name.
  public static let fileName = "quant_param.csv"

  private static let header = [
    "NodeName", "NodeType", "TensorName", "ElementsNum", "Dims", "Scale", "ZeroPoint", "Bits",
    "CorrectionVar", "CorrectionMean",
  ]

  /// The file's bytes. Nodes stand in the plan's order, their channels ascending; a tensor that
  /// several nodes use has rows under each.
  ///
  /// - Complexity: O(channels).
  public static func csv(
    _ quantized: [(plan: ConstantPlan, recipe: WeightRecipe)], _ parameters: [TensorParameters]
  ) -> [UInt8] {
    var csv = CSVWriter()
    csv.append(header)
    for (entry, parameters) in zip(quantized, parameters) {
      let dimensions = entry.plan.source.dimensions.map(String.init).joined(separator: " ")
      for node in entry.plan.nodes {
        let head = [
          node.displayName, node.operatorType, entry.plan.value.name,
          String(entry.plan.source.elementCount), dimensions,
        ]
        for (scale, zeroPoint) in zip(parameters.scales, parameters.zeroPoints) {
          csv.append(
            head + [
              NumberText.significant(Double(scale), 9), String(zeroPoint),
              String(entry.recipe.storage.bits), "1", "0",
            ])
        }
      }
    }
    return csv.bytes
  }
}
