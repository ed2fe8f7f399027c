import Inference
import ModelGraph
import Quantization
import Reports
import Statistics
import Support

/// Runs the float and the written model on the same samples and summarizes the tensors of both.
///
/// Constants are summarized once. A run keeps the float model's tensors of one sample, in memory of
/// its own; any number of threads may run at once.
struct DistributionRun: Sendable {
  /// What one sample showed.
  struct Round: Sendable {
    /// The tensors that both models have, in the outline's order.
    var pairs: [DistributionPair] = []
    /// The model's results.
    var outputs: [OutputSummaryReport.Output] = []
    /// The results of operators that run in integers, by the operators' places.
    var losses: [Int: PairSums] = [:]
  }

  /// A tensor of both models.
  private typealias Summaries = (original: DistributionSummary, dequantized: DistributionSummary)

  private let outline: ReportOutline
  private let float: InferenceSession
  private let quantized: InferenceSession
  /// Summaries of constants, by stand-in.
  private let constants: [String: Summaries]
  /// Names of constants in the float model.
  private let constantNames: Set<String>
  /// The float tensor of each stand-in that running makes.
  private let originals: [String: String]
  /// Stand-ins of what integer operators make.
  private let integerResults: Set<String>

  /// Prepares both models.
  ///
  /// - Parameters:
  ///   - float: the model that the outline was made from.
  ///   - quantized: the written model.
  ///   - threads: workers inside one operator.
  /// - Throws: an operator that the engine lacks.
  /// - Complexity: O(weights).
  init(
    _ outline: ReportOutline, float: Model, quantized: Model, threads: Int
  ) throws(Failure) {
    self.outline = outline
    let ports = outline.operators.flatMap(\.ports)
    let data = Dictionary(ModelSurvey.constants(of: float)) { first, _ in first }
    constantNames = Set(data.keys)
    let standIns = Dictionary(ports.map { ($0.standIn, $0.tensor) }) { first, _ in first }
    let originals = standIns.filter { data[$0.value] == nil }
    self.originals = originals
    let tensors = Set(originals.values)
    integerResults = Set(
      outline.operators.filter(\.isInteger).flatMap(\.ports).filter { $0.input == nil }
        .map(\.standIn))
    self.float = try InferenceSession(
      model: float, options: .init(threads: threads, isWatched: { tensors.contains($0) }))
    self.quantized = try InferenceSession(
      model: quantized, options: .init(threads: threads, isWatched: { standIns[$0] != nil }))
    var constants: [String: Summaries] = [:]
    func summarize(_ name: String, _ elements: [Float]?, _ extents: [Int]) -> Summaries? {
      guard let original = standIns[name].flatMap({ data[$0] }).flatMap(ReportElements.floats),
        var elements
      else { return nil }
      outline.restorations[name]?(&elements, extents)
      return DistributionRun.summaries(original, elements)
    }
    self.quantized.visitConstants { name, tensor in
      constants[name] = summarize(name, ReportElements.floats(of: tensor), tensor.shape)
    }
    for (name, data) in ModelSurvey.constants(of: quantized) where constants[name] == nil {
      let elements =
        ReportElements.floats(of: data)
        ?? (outline.restorations[name] == nil ? nil : ReportElements.integers(of: data))
      if let summaries = summarize(name, elements, data.dimensions) {
        constants[name] = summaries
      }
    }
    self.constants = constants
  }

  private static func summaries(_ original: [Float], _ dequantized: [Float]) -> Summaries {
    original.withUnsafeBufferPointer { original in
      dequantized.withUnsafeBufferPointer { dequantized in
        (
          DistributionSummary(original),
          DistributionSummary(dequantized: dequantized, original: original)
        )
      }
    }
  }

  /// Looks at one sample.
  ///
  /// - Throws: what keeps either model from running.
  func round(_ feeds: [String: TensorData]) throws(Failure) -> Round {
    var floats: [String: [Float]] = [:]
    let results = try float.run(feeds) { name, tensor in
      floats[name] = ReportElements.floats(of: tensor)
    }
    var found = constants
    var losses: [String: PairSums] = [:]
    let quantizedResults = try quantized.run(feeds) { name, tensor in
      guard let original = originals[name].flatMap({ floats[$0] }),
        var elements = ReportElements.floats(of: tensor)
      else { return }
      outline.restorations[name]?(&elements, tensor.shape)
      found[name] = DistributionRun.summaries(original, elements)
      guard integerResults.contains(name), original.count == elements.count else { return }
      losses[name] = original.withUnsafeBufferPointer { original in
        elements.withUnsafeBufferPointer { PairSums(original, $0) }
      }
    }
    var round = list(found, losses)
    round.outputs = zip(results, quantizedResults).map { float, quantized in
      (float.name, DistributionRun.cosine(float.data, quantized.data))
    }
    return round
  }

  private func list(_ found: [String: Summaries], _ losses: [String: PairSums]) -> Round {
    var round = Round()
    for (index, node) in outline.operators.enumerated() {
      for port in node.ports {
        guard let (original, dequantized) = found[port.standIn] else { continue }
        round.pairs.append(
          DistributionPair(
            node: node.name, operatorType: node.type, tensor: port.tensor,
            isInput: port.input != nil, isConstant: constantNames.contains(port.tensor),
            original: original, dequantized: dequantized))
        if node.isInteger, port.input == nil { round.losses[index] = losses[port.standIn] }
      }
    }
    return round
  }

  private static func cosine(_ float: TensorData, _ quantized: TensorData) -> Double? {
    guard let original = ReportElements.floats(of: float),
      let elements = ReportElements.floats(of: quantized)
    else { return nil }
    return summaries(original, elements).dequantized.cosineSimilarity
  }
}
