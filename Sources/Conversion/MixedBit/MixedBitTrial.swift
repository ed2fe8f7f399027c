import Inference
import ModelGraph
import Quantization
import Support

/// Runs a model with its weights as a plan would leave them, and compares its results with those of
/// the float model.
///
/// The model's constants are exchanged while a session is made and put back after it; nothing is
/// written.
final class MixedBitTrial {
  private let model: Model
  private let feeds: [[String: TensorData]]
  private let expected: [[(name: String, data: TensorData)]]
  private let pool: WorkerPool
  /// How often results were compared.
  private(set) var count = 0

  /// Runs the float model.
  ///
  /// - Throws: a model that the engine can't run.
  init(_ model: Model, feeds: [[String: TensorData]], pool: WorkerPool) throws(Failure) {
    self.model = model
    self.feeds = feeds
    self.pool = pool
    expected = try MixedBitTrial.results(model, feeds, pool)
    FreedMemory.giveBack()
  }

  private static func results(
    _ model: Model, _ feeds: [[String: TensorData]], _ pool: WorkerPool
  ) throws(Failure) -> [[(name: String, data: TensorData)]] {
    let session = try InferenceSession(model: model, options: .init(threads: pool.workerCount))
    return try feeds.map { feed throws(Failure) in
      try session.run(feed).map { ($0.name, $0.data) }
    }
  }

  /// How far the results are off with the weights of a plan: the sums of each sample's float results.
  ///
  /// - Parameter only: the only constant that is exchanged; nil for all.
  func comparisons(_ plan: QuantizationPlan, only: Int? = nil) throws(Failure) -> [[PairSums]] {
    count += 1
    let session = try session(plan, only: only)
    return try zip(feeds, expected).map { feed, expected throws(Failure) in
      let results = try session.run(feed)
      return zip(expected, results).compactMap { MixedBitTrial.compare($0.data, $1.data) }
    }
  }

  /// The same over all samples.
  func sums(_ plan: QuantizationPlan, only: Int? = nil) throws(Failure) -> [PairSums] {
    MixedBitTrial.total(try comparisons(plan, only: only))
  }

  /// The least cosine of a result with the weights of a plan; 1 without float results.
  func cosine(_ plan: QuantizationPlan) throws(Failure) -> Double {
    try sums(plan).map(\.cosine).min() ?? 1
  }

  /// A cosine that other samples keep too: that of the samples less twice its standard error, or, of
  /// a single sample, less a sixth of what it misses of 1.
  func carefulCosine(_ plan: QuantizationPlan) throws(Failure) -> Double {
    let comparisons = try comparisons(plan)
    let results = MixedBitTrial.total(comparisons).enumerated().map { index, sums in
      let misses = comparisons.map { 1 - $0[index].cosine }
      return sums.cosine - MixedBitTrial.margin(misses)
    }
    return results.min() ?? 1
  }

  /// Twice the standard error of the mean of what samples miss, and at least a sixth of it where there
  /// is only one.
  static func margin(_ misses: [Double]) -> Double {
    let count = Double(misses.count)
    let mean = misses.reduce(0, +) / max(1, count)
    guard count > 1 else { return mean / 6 }
    let squares = misses.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    return 2 * (squares / (count - 1) / count).squareRoot()
  }

  private static func total(_ comparisons: [[PairSums]]) -> [PairSums] {
    guard var sums = comparisons.first else { return [] }
    for pairs in comparisons.dropFirst() { for i in sums.indices { sums[i].add(pairs[i]) } }
    return sums
  }

  private func session(
    _ plan: QuantizationPlan, only: Int?
  ) throws(Failure) -> InferenceSession {
    let quantized = plan.quantized
    let chosen = quantized.indices.filter { only == nil || $0 == only }
    let work = chosen.map { (quantized[$0].plan.source, quantized[$0].recipe) }
    let made = pool.map(work.count) { [work] in Dequantization.tensor(work[$0].0, work[$0].1) }
    for (index, data) in zip(chosen, made) { quantized[index].plan.value.setConstant(data) }
    defer {
      for index in chosen {
        quantized[index].plan.value.setConstant(quantized[index].plan.source)
      }
    }
    return try InferenceSession(model: model, options: .init(threads: pool.workerCount))
  }

  /// Nil for results that aren't float32 or differ in size.
  private static func compare(_ a: TensorData, _ b: TensorData) -> PairSums? {
    guard let x = a.float32Values, let y = b.float32Values, x.count == y.count else { return nil }
    return x.withUnsafeBufferPointer { x in y.withUnsafeBufferPointer { PairSums(x, $0) } }
  }
}
