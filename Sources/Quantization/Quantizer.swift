import ModelGraph

/// Carries a plan out: marks the graph's constants with what they become.
public enum Quantizer {
  /// Gives every constant of the plan its quantized form, numbered in the order of
  /// `plan.quantized`. Integers are made when they are written.
  public static func apply(_ plan: QuantizationPlan) {
    for (number, entry) in plan.quantized.enumerated() {
      entry.plan.value.quantized =
        WeightEncoder(source: entry.plan.source, recipe: entry.recipe)
        .quantizedConstant(number: number)
    }
  }
}
