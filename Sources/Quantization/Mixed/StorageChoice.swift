import ModelGraph
import WeightCoding

/// A way to store a tensor, what it takes and what it costs.
public struct StorageChoice: Sendable {
  /// How the tensor is quantized.
  public var recipe: WeightRecipe
  /// Bytes in the file, integers and parameters, almost exactly.
  public var byteCount: Int
  /// Bits of a weight where they are packed.
  public var bits: Double
  /// The mean over channels of the share of a channel's power that rounding misses.
  public var error: Double
}

extension WeightRecipe {
  /// The recipe for another number of bits, one range for each channel.
  func with(bits: Int, _ settings: WeightQuantizationSettings) -> WeightRecipe {
    var recipe = self
    recipe.storage.bits = bits
    recipe.storage.elementType = settings.storedType(bits: bits)
    recipe.storage.isEntropyCoded = false
    recipe.steps = []
    recipe.packedBits = nil
    if let ranges { recipe.range = bits > 6 ? ranges.fine : ranges.coarse }
    return recipe
  }

  /// The recipe for multiples of steps, of which integers of `bits` bits are needed.
  func with(
    steps: [Float], bits: Int, packedBits: Double?, _ settings: WeightQuantizationSettings
  ) -> WeightRecipe {
    var recipe = self
    recipe.storage.bits = bits
    recipe.storage.elementType = settings.storedType(bits: bits)
    if steps.count == 1 { recipe.storage.axis = nil }
    recipe.storage.isEntropyCoded = steps.count == 1
    recipe.steps = steps
    recipe.packedBits = packedBits
    return recipe
  }

  /// Bits of the signed multiples of `step` that reach `magnitude`.
  static func bits(magnitude: Double, step: Double) -> Int {
    let most = Int(min(32_767, (magnitude / step).rounded(.toNearestOrAwayFromZero)))
    return max(1, Int.bitWidth - most.leadingZeroBitCount + 1)
  }
}
