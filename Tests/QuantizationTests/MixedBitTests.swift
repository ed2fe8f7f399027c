import CKernels
import Glibc
import ModelGraph
import Support
import Testing

@testable import Quantization

/// Steps by relative error, and what spends a budget, against slow searches.
@Suite struct MixedBitTests {
  private static func normal(_ count: Int, seed: UInt64, scale: Float = 1) -> [Float] {
    var numbers = TestNumbers(seed: seed)
    return (0..<count).map { _ in
      (0..<6).reduce(Float(0)) { sum, _ in sum + Float(numbers.unit()) - 0.5 } * scale
    }
  }

  private static func source(_ values: [Float], _ dimensions: [Int]) -> TensorData {
    TensorData(float32: values, dimensions: dimensions)
  }

  private static func plan(_ source: TensorData) -> QuantizationPlan {
    let value = Value(name: "w")
    value.initializer = source
    let node = Node(operatorType: "MatMul", inputs: [nil, value])
    let layout = ChannelLayout(dimensions: source.dimensions, axis: 1, kernelAxis: nil)
    let recipe = WeightRecipe(
      storage: QuantizedStorage(bits: 8, elementType: .int8, axis: 1), layout: layout,
      range: .maxMin, round: .nearest, correctsScale: true,
      ranges: .init(fine: .maxMin, coarse: .maxMin))
    return QuantizationPlan(constants: [
      ConstantPlan(value: value, nodes: [node], source: source, decision: .quantize(recipe))
    ])
  }

  /// The relative error that storing leaves, element by element.
  private static func relativeError(_ source: TensorData, _ recipe: WeightRecipe) -> Double {
    let stored = Dequantization.floats(source, recipe)
    let values = source.float32Values ?? []
    let noise = zip(values, stored).reduce(0.0) { sum, pair in
      let error = Double(pair.0) - Double(pair.1)
      return sum + error * error
    }
    let signal = values.reduce(0.0) { $0 + Double($1) * Double($1) }
    return (noise / signal).squareRoot()
  }

  private static let settings = WeightQuantizationSettings(bits: 0)
  private static let pool = WorkerPool(threads: 1)

  @Test(arguments: [0.002, 0.02, 0.1, 0.3], [false, true])
  func theRelativeErrorIsWhatWasAskedFor(target: Double, perChannel: Bool) {
    let source = Self.source(Self.normal(40_000, seed: 3), [400, 100])
    let planner = MixedBitPlanner(Self.settings, perChannel: perChannel, pool: Self.pool)
    let plan = Self.plan(source)
    let chosen = planner.plan(plan, planner.survey(plan), relativeError: target)
    let recipe = chosen.quantized[0].recipe
    #expect(recipe.steps.count == (perChannel ? 100 : 1))
    #expect(recipe.storage.isEntropyCoded == !perChannel)
    let error = Self.relativeError(source, recipe)
    #expect(error <= target * 1.005 && error >= target * 0.97, "\(error) for \(target)")
  }

  @Test func constantAndEmptyTensorsHaveSteps() {
    for values in [[Float](repeating: 0.37, count: 64), [Float](repeating: 0, count: 64)] {
      let source = Self.source(values, [8, 8])
      let plan = Self.plan(source)
      for perChannel in [false, true] {
        let planner = MixedBitPlanner(Self.settings, perChannel: perChannel, pool: Self.pool)
        let chosen = planner.plan(plan, planner.survey(plan), relativeError: 0.02)
        let recipe = chosen.quantized[0].recipe
        #expect(recipe.steps.allSatisfy { $0 > 0 && $0.isFinite })
        for (a, b) in zip(values, Dequantization.floats(source, recipe)) {
          #expect(abs(a - b) <= abs(a) * 0.021)
        }
      }
    }
  }

  @Test func anOutlierDoesNotOverflow() {
    var values = Self.normal(4096, seed: 8)
    values[17] = 1e6
    let source = Self.source(values, [64, 64])
    let plan = Self.plan(source)
    let planner = MixedBitPlanner(Self.settings, perChannel: false, pool: Self.pool)
    let recipe = planner.plan(plan, planner.survey(plan), relativeError: 1e-9).quantized[0].recipe
    #expect(recipe.storage.bits == 16)
    #expect(abs(Dequantization.floats(source, recipe)[17] - 1e6) < 100)
  }

  /// The loops over bins against plain ones.
  @Test(arguments: [0, 1, 15, 16, 17, 1000], [0.003, 0.4, 7]) func binsAreSummed(
    count: Int, ratio: Double
  ) {
    var numbers = TestNumbers(seed: UInt64(count))
    var table = [UInt32](repeating: 0, count: 4096)
    for _ in 0..<count { table[numbers.integer(0...4095)] += UInt32(numbers.integer(1...9)) }
    var places = [Int32](repeating: 0, count: 4096)
    var counts = [UInt32](repeating: 0, count: 4096)
    let kept = gs_keep_bins(table, table.count, -2048, &places, &counts)
    let bins = table.indices.filter { table[$0] > 0 }
    #expect(places.prefix(kept).map(Int.init) == bins.map { $0 - 2048 })
    #expect(Array(counts.prefix(kept)) == bins.map { table[$0] })
    var error = 0.0
    var sums: [(multiple: Double, count: Int64)] = []
    for bin in bins {
      let value = Double(bin - 2048) * ratio
      let multiple = value.rounded(.toNearestOrEven)
      error += Double(table[bin]) * (value - multiple) * (value - multiple)
      if sums.last?.multiple != multiple { sums.append((multiple, 0)) }
      sums[sums.count - 1].count += Int64(table[bin])
    }
    let found = gs_bin_error(places, counts, kept, ratio)
    #expect(abs(found - error) <= 1e-9 * (error + 1e-9))
    var merged = [Int64](repeating: 0, count: kept)
    let mergedCount = gs_multiple_counts(places, counts, kept, ratio, &merged)
    #expect(Array(merged.prefix(mergedCount)) == sums.map(\.count))
  }

  @Test func theHistogramTellsErrorAndEntropy() throws {
    let values = Self.normal(30_000, seed: 5)
    let histogram = WeightHistogram { body in values.withUnsafeBufferPointer(body) }
    for step in [0.01, 0.1, 0.5] {
      var noise = 0.0
      var counts: [Int: Int] = [:]
      for value in values {
        let multiple = (Double(value) / step).rounded()
        noise += (Double(value) - multiple * step) * (Double(value) - multiple * step)
        counts[Int(multiple), default: 0] += 1
      }
      #expect(abs(histogram.noise(step: step) / noise - 1) < 0.01)
      let total = Double(values.count)
      let entropy = counts.values.reduce(0.0) { $0 - Double($1) * log2(Double($1) / total) } / 8
      let packed = Double(histogram.packedByteCount(step: step))
      #expect(packed > entropy * 0.99)
      #expect(packed < entropy * 1.02 + Double(8 * counts.count + 64))
    }
  }

  @Test func dequantizationIsScaleTimesInteger() {
    let source = Self.source([1, -1, 0.5, 0.25, 3, -2], [2, 3])
    let recipe = Self.plan(source).quantized[0].recipe
    for (a, b) in zip(source.float32Values ?? [], Dequantization.floats(source, recipe)) {
      #expect(abs(a - b) < 0.02)
    }
  }

  /// All ways of three tensors with four choices each.
  @Test(arguments: 0..<20) func aBudgetIsSpentNearlyAsWellAsCanBe(seed: UInt64) {
    var numbers = TestNumbers(seed: seed + 1)
    let weights = (0..<3).map { _ in numbers.unit() * 5 + 0.1 }
    let sizes = (0..<3).map { _ in
      let unit = numbers.unit() + 0.2
      return (1...8).map { Double($0) * unit }
    }
    let errors = weights.map { weight in (1...8).map { weight * pow(4, -Double($0)) } }
    let allocation = BudgetAllocation(errors: errors, sizes: sizes)
    let budget = sizes.reduce(0) { $0 + $1[0] } * (1.5 + 5 * numbers.unit())
    let chosen = allocation.choices(budget: budget)
    #expect(allocation.total(chosen) <= budget)
    func error(_ choice: [Int]) -> Double { (0..<3).reduce(0) { $0 + errors[$1][choice[$1]] } }
    var least = Double.infinity
    for a in 0..<8 {
      for b in 0..<8 {
        for c in 0..<8 where allocation.total([a, b, c]) <= budget {
          least = min(least, error([a, b, c]))
        }
      }
    }
    #expect(error(chosen) <= least * 2.5, "seed \(seed)")
    #expect(allocation.choices(budget: 0) == [0, 0, 0])
  }
}
