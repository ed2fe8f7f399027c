import ModelGraph
import Support

/// Lists for each weight tensor the ways to store it, with their sizes and errors.
///
/// Fixed widths have one range for each channel; steps have an entropy code, and a size between any
/// two of these. Errors are those of some channels, spread evenly over the tensor.
public struct BudgetPlanner: Sendable {
  /// What a file's tensors take.
  public enum Format: Sendable {
    /// Packed bits or an entropy code.
    case packed
    /// Elements of a type that runtimes load.
    case elements
  }

  private let settings: WeightQuantizationSettings
  private let format: Format
  private let mixed: MixedBitPlanner
  private let pool: WorkerPool

  /// Bits of the fixed widths.
  static let widths = [1, 2, 3, 4, 5, 6, 7, 8, 16]
  /// The fewest bits of a fixed width where there are steps: ranges of fewer bits cut weights off, which
  /// costs results far more than their errors tell.
  private static let leastBits = 4
  /// Steps have relative errors of 0.5 and below, eight for each bit.
  private static let stepCount = 89
  /// Channels whose errors are looked at.
  private static let channelCount = 16

  /// A planner for a file format.
  public init(_ settings: WeightQuantizationSettings, format: Format, pool: WorkerPool) {
    self.settings = settings
    self.format = format
    self.pool = pool
    mixed = MixedBitPlanner(settings, perChannel: false, pool: pool)
  }

  /// The choices for each tensor of a plan, in the order of `plan.quantized`.
  ///
  /// - Complexity: some 70 times O(weights of some channels + bins of the histogram) a tensor.
  public func choices(
    _ plan: QuantizationPlan, _ survey: MixedBitSurvey
  ) -> [[StorageChoice]] {
    let work = plan.quantized.map { ($0.plan.source, $0.recipe) }
    return pool.map(work.count) { [work] index in
      let (source, recipe) = work[index]
      let layout = recipe.layout
      let stride = max(1, layout.channels / BudgetPlanner.channelCount)
      var rows: [[Float]] = []
      WeightRuns(source: source).forEachChannel(
        layout, Array(Swift.stride(from: 0, to: layout.channels, by: stride))
      ) { _, weights in rows.append(Array(weights)) }
      let stepped = stepped(recipe, survey.histograms[index], rows)
      return fixed(source, recipe, rows, from: stepped.isEmpty ? 1 : BudgetPlanner.leastBits)
        + stepped
    }
  }

  private func fixed(
    _ source: TensorData, _ recipe: WeightRecipe, _ rows: [[Float]], from least: Int
  ) -> [StorageChoice] {
    BudgetPlanner.widths.filter { $0 >= least }.map { bits in
      let recipe = recipe.with(bits: bits, settings)
      let channels = recipe.storage.axis == nil ? 1 : recipe.layout.channels
      let packed = (bits * source.elementCount + 7) / 8 + 20 * channels
      return StorageChoice(
        recipe: recipe, byteCount: format == .packed ? packed : recipe.elementByteCount(source),
        bits: Double(bits), error: BudgetPlanner.error(recipe, rows))
    }
  }

  private func stepped(
    _ recipe: WeightRecipe, _ histogram: WeightHistogram, _ rows: [[Float]]
  ) -> [StorageChoice] {
    guard format == .packed, histogram.signal > 0 else { return [] }
    let rms = (histogram.signal / Double(histogram.count)).squareRoot()
    var step = 0.5 * rms * 12.0.squareRoot()
    var choices: [StorageChoice] = []
    for _ in 0..<BudgetPlanner.stepCount where step > histogram.width {
      let recipe = mixed.stepRecipe(recipe, histogram, step)
      let bits = recipe.effectiveBits
      choices.append(
        StorageChoice(
          recipe: recipe, byteCount: Int(bits * Double(histogram.count) / 8), bits: bits,
          error: BudgetPlanner.error(recipe, rows)))
      step /= BudgetPlanner.stepRatio
    }
    return choices
  }

  /// The eighth root of 2.
  private static let stepRatio = 1.0905077326652577

  private static func error(_ recipe: WeightRecipe, _ rows: [[Float]]) -> Double {
    var recipe = recipe
    recipe.round = .nearest
    recipe.shapesNoise = false
    let quantizer = ChannelQuantizer(recipe: recipe, capacity: rows.first?.count ?? 0)
    let shares = rows.map { row in
      row.withUnsafeBufferPointer { weights in
        let grid = quantizer.grid(weights)
        quantizer.round(weights, grid)
        let moments = quantizer.moments(weights, zeroPoint: grid.zeroPoint)
        let scale =
          recipe.correctsScale && recipe.steps.isEmpty
          ? moments.correctedScale(grid.scale) : grid.scale
        return moments.valueSquares > 0
          ? moments.squaredError(scale: Double(scale)) / moments.valueSquares : 0
      }
    }
    return shares.reduce(0, +) / Double(max(1, shares.count))
  }
}

extension WeightRecipe {
  /// Bytes in an ONNX file: integers, scales and zero points.
  public func elementByteCount(_ source: TensorData) -> Int {
    let type = storage.elementType
    let channels = scaleCount
    return (type.byteCount(of: source.elementCount) ?? 0) + 4 * channels
      + (type.byteCount(of: channels) ?? 0)
  }
}
