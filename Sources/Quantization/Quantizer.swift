import ModelGraph

/// Carries a plan out: marks the graph's constants with what they become.
public enum Quantizer {
  /// Gives every constant of the plan its quantized form, numbered in the order of
  /// `plan.quantized`. Integers are made when they are written.
  ///
  /// - Parameter rounded: integers that are chosen already, by number.
  public static func apply(_ plan: QuantizationPlan, rounded: [Int: RoundedWeights] = [:]) {
    for (number, entry) in plan.quantized.enumerated() {
      var recipe = entry.recipe
      // Feedback has put mean errors where they cost least.
      if rounded[number] != nil { recipe.storage.hasOffsets = false }
      entry.plan.value.quantized =
        WeightEncoder(source: entry.plan.source, recipe: recipe, rounded: rounded[number])
        .quantizedConstant(number: number)
    }
  }
}
