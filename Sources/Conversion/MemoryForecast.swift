import Quantization

/// How much memory a conversion will need at most: an upper estimate, from the plan alone.
struct MemoryForecast {
  /// Bytes of resident memory.
  let peakByteCount: Int

  /// The process itself with its libraries.
  private static let base = 22 << 20

  init(_ plan: QuantizationPlan, workers: Int) {
    let quantized = plan.quantized
    let mapped = quantized.reduce(0) { $0 + $1.plan.source.byteCount }
    let largest = quantized.map { entry in
      entry.plan.source.byteCount
        + (entry.recipe.storage.elementType.byteCount(of: entry.plan.source.elementCount) ?? 0)
    }.sorted(by: >)
    let working = largest.prefix(workers).reduce(0, +)
    peakByteCount = MemoryForecast.base + min(mapped, WeightPlanner.keptPageLimit) + working
  }
}
