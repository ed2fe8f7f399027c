import CKernels
import ModelGraph
import Support
import WeightCoding

/// Chooses for each weight tensor the step that gives it a wanted relative error.
///
/// One step for the tensor, or one for each channel where the recipe has an axis and the format
/// stores them. The tensor is read once into a histogram that tells the error of every step; the
/// step found is then checked on the weights themselves.
public struct MixedBitPlanner: Sendable {
  private let settings: WeightQuantizationSettings
  private let perChannel: Bool
  private let pool: WorkerPool

  /// A planner.
  ///
  /// - Parameter perChannel: whether channels may have steps of their own.
  public init(_ settings: WeightQuantizationSettings, perChannel: Bool, pool: WorkerPool) {
    self.settings = settings
    self.perChannel = perChannel
    self.pool = pool
  }

  /// What reading the weights of a plan once tells.
  ///
  /// - Complexity: O(weights).
  public func survey(_ plan: QuantizationPlan) -> MixedBitSurvey {
    let quantized = plan.quantized
    let sources = quantized.map(\.plan.source)
    return MixedBitSurvey(
      histograms: pool.map(costs: sources.map(\.elementCount)) { index in
        WeightHistogram(source: sources[index])
      })
  }

  /// The plan with steps for a relative error, the norm of what rounding misses over that of the
  /// weights.
  ///
  /// - Parameter survey: what the plan's weights tell; nil to read them, where a search has no other
  ///   use for it.
  /// - Complexity: O(weights).
  public func plan(
    _ plan: QuantizationPlan, _ survey: MixedBitSurvey? = nil, relativeError: Double
  ) -> QuantizationPlan {
    let quantized = plan.quantized
    let work = quantized.map { ($0.plan.source, $0.recipe) }
    let recipes = pool.map(costs: work.map(\.0.elementCount)) { index in
      let (source, recipe) = work[index]
      return perChannel && recipe.storage.axis != nil
        ? channelRecipe(source, recipe, relativeError)
        : tensorRecipe(
          source, recipe, survey?.histograms[index] ?? WeightHistogram(source: source),
          relativeError)
    }
    return plan.replacing(recipes)
  }

  private func tensorRecipe(
    _ source: TensorData, _ recipe: WeightRecipe, _ histogram: WeightHistogram, _ target: Double
  ) -> WeightRecipe {
    let step = MixedBitPlanner.checkedStep(source, histogram, target)
    return stepRecipe(recipe, histogram, step)
  }

  /// The recipe for multiples of one step.
  func stepRecipe(
    _ recipe: WeightRecipe, _ histogram: WeightHistogram, _ step: Double
  ) -> WeightRecipe {
    let packed = histogram.packedByteCount(step: step)
    return recipe.with(
      steps: [Float(step)],
      bits: WeightRecipe.bits(magnitude: histogram.largest, step: Double(Float(step))),
      packedBits: Double(packed) * 8 / Double(max(1, histogram.count)), settings)
  }

  /// The histogram's step, made finer while the weights themselves say it is too coarse.
  private static func checkedStep(
    _ source: TensorData, _ histogram: WeightHistogram, _ target: Double
  ) -> Double {
    var step = histogram.search.step(relativeError: target)
    guard histogram.signal > 0 else { return step }
    for _ in 0..<4 where step > histogram.width {
      let error = (WeightRuns(source: source).noise(step: step) / histogram.signal).squareRoot()
      if error <= target * 1.005 { break }
      step = max(histogram.width, step * target / error)
    }
    return step
  }

  private func channelRecipe(
    _ source: TensorData, _ recipe: WeightRecipe, _ target: Double
  ) -> WeightRecipe {
    var steps: [Float] = []
    var bits = 1
    var counts = [UInt32](repeating: 0, count: 1 << 16)
    WeightRuns(source: source).forEachChannel(
      recipe.layout, Array(0..<recipe.layout.channels)
    ) { _, weights in
      let search = StepSearch(weights)
      let step = search.step(relativeError: target)
      steps.append(Float(step))
      let largest = search.leastStep * Double(StepSearch.highest)
      bits = max(bits, WeightRecipe.bits(magnitude: largest, step: Double(Float(step))))
      if let base = weights.baseAddress {
        gs_count_rounded(base, weights.count, Float(1 / step), &counts)
      }
    }
    let packed = EntropyCode.byteCount(of: counts.filter { $0 > 0 }.map(Int.init))
    return recipe.with(
      steps: steps, bits: bits,
      packedBits: packed.map { Double($0) * 8 / Double(max(1, source.elementCount)) }, settings)
  }
}

/// What reading the weights of a plan once tells of every step's error and size.
public struct MixedBitSurvey: Sendable {
  let histograms: [WeightHistogram]
}

extension WeightHistogram {
  /// Bytes of the multiples of `step` in the smallest form with one scale, about.
  func packedByteCount(step: Double) -> Int {
    let bits = WeightRecipe.bits(magnitude: largest, step: step)
    let plain = (bits * count + 7) / 8
    return min(plain, EntropyCode.byteCount(of: counts(step: step)) ?? plain)
  }
}

extension QuantizationPlan {
  /// The plan with other recipes for what is quantized, in the order of `quantized`.
  public func replacing(_ recipes: [WeightRecipe]) -> QuantizationPlan {
    var rest = recipes[...]
    return QuantizationPlan(
      constants: constants.map { constant in
        guard case .quantize = constant.decision, let recipe = rest.popFirst() else {
          return constant
        }
        return ConstantPlan(
          value: constant.value, nodes: constant.nodes, source: constant.source,
          decision: .quantize(recipe))
      })
  }
}
