import ModelGraph

/// Constants as a quantized model computes with them.
public enum Dequantization {
  /// A constant as float32 elements after quantization.
  ///
  /// - Complexity: O(elements), what quantizing it takes.
  public static func floats(_ source: TensorData, _ recipe: WeightRecipe) -> [Float] {
    constant(source, recipe).floats()
  }

  /// The same in the constant's own type.
  public static func tensor(_ source: TensorData, _ recipe: WeightRecipe) -> TensorData {
    constant(source, recipe).dequantized()
  }

  private static func constant(_ source: TensorData, _ recipe: WeightRecipe) -> QuantizedConstant {
    WeightEncoder(source: source, recipe: recipe).quantizedConstant(number: 0)
  }
}
