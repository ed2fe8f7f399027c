import Inference
import ModelGraph
import Quantization
import Support

/// Runs a model with its weights as a plan would leave them, and compares its results with those of
/// the float model.
///
/// The model's constants are exchanged while a session is made and put back after it; nothing is
/// written. What a recipe makes of a constant is kept until the constant gets another one.
final class MixedBitTrial {
  private let model: Model
  private let feeds: [[String: TensorData]]
  private let expected: [[(name: String, data: TensorData)]]
  private let threads: Int
  private var made: [String: (recipe: WeightRecipe, data: TensorData)] = [:]
  /// How often results were compared.
  private(set) var count = 0

  /// Runs the float model.
  ///
  /// - Throws: a model that the engine can't run.
  init(_ model: Model, feeds: [[String: TensorData]], threads: Int) throws(Failure) {
    self.model = model
    self.feeds = feeds
    self.threads = threads
    let session = try InferenceSession(model: model, options: .init(threads: threads))
    expected = try feeds.map { feed throws(Failure) in
      try session.run(feed).map { ($0.name, $0.data) }
    }
  }

  /// How far the results are off with the weights of a plan: of each float result the sums over all
  /// samples.
  ///
  /// - Parameter only: the only constant that is exchanged; nil for all.
  func sums(_ plan: QuantizationPlan, only: Int? = nil) throws(Failure) -> [PairSums] {
    count += 1
    let quantized = plan.quantized
    let chosen = quantized.indices.filter { only == nil || $0 == only }
    let replaced = chosen.map { index in
      let (constant, recipe) = (quantized[index].plan, quantized[index].recipe)
      return (constant.value, constant.source, dequantized(constant, recipe))
    }
    for (value, _, data) in replaced { MixedBitTrial.set(value, data) }
    defer { for (value, source, _) in replaced { MixedBitTrial.set(value, source) } }
    let session = try InferenceSession(model: model, options: .init(threads: threads))
    var sums: [PairSums] = []
    for (feed, expected) in zip(feeds, expected) {
      let results = try session.run(feed)
      let pairs = zip(expected, results).compactMap { MixedBitTrial.compare($0.data, $1.data) }
      if sums.isEmpty { sums = pairs } else { for i in sums.indices { sums[i].add(pairs[i]) } }
    }
    return sums
  }

  /// The least cosine of a result with the weights of a plan; 1 without float results.
  func cosine(_ plan: QuantizationPlan) throws(Failure) -> Double {
    try sums(plan).map(\.cosine).min() ?? 1
  }

  private func dequantized(_ constant: ConstantPlan, _ recipe: WeightRecipe) -> TensorData {
    if let known = made[constant.value.name], known.recipe == recipe { return known.data }
    let data = Dequantization.tensor(constant.source, recipe)
    made[constant.value.name] = (recipe, data)
    return data
  }

  private static func set(_ value: Value, _ data: TensorData) {
    if value.initializer != nil {
      value.initializer = data
    } else {
      value.producer?.setAttribute("value", .tensor(data))
    }
  }

  /// Nil for results that aren't float32 or differ in size.
  private static func compare(_ a: TensorData, _ b: TensorData) -> PairSums? {
    guard let x = a.float32Values, let y = b.float32Values, x.count == y.count else { return nil }
    return x.withUnsafeBufferPointer { x in y.withUnsafeBufferPointer { PairSums(x, $0) } }
  }
}
