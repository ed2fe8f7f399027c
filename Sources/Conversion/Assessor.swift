import Inference
import ModelFormats
import ModelGraph
import Support
import Synchronization

/// Runs the float and the quantized model on the same samples and compares their results.
struct Assessor {
  private let float: InferenceSession
  private let quantized: InferenceSession
  private let scoreOutputs: Set<String>

  /// Most samples that are compared.
  static let sampleLimit = 16

  /// Prepares both models.
  ///
  /// - Parameter arithmetic: how the quantized model is computed; its target's way.
  init(
    float: Model, quantized: Model, arithmetic: QuantizedArithmetic = .simulated
  ) throws(Failure) {
    scoreOutputs = Set(
      float.graph.outputs.filter(Assessor.looksLikeScores).map(\.name))
    self.float = try InferenceSession(model: float, options: .init(threads: 1))
    self.quantized = try InferenceSession(
      model: quantized, options: .init(threads: 1, arithmetic: arithmetic))
  }

  /// Rows of scores come out of a classifier's last product or a softmax.
  private static func looksLikeScores(_ output: Value) -> Bool {
    var value = output
    for _ in 0..<4 {
      guard let node = value.producer, node.isStandard else { return false }
      switch node.operatorType {
      case "Softmax", "LogSoftmax", "Gemm": return true
      case "Identity", "Reshape", "Squeeze", "Flatten", "Add":
        guard let first = node.inputs.first ?? nil else { return false }
        value = first
      default: return false
      }
    }
    return false
  }

  /// What one sample tells of one result.
  private struct Comparison {
    let sums: PairSums
    let same: Int
    let rows: Int
  }

  /// Compares the results of samples.
  func compare(
    _ samples: [Int], workers: WorkerPool, source: QualityReport.Source,
    sample: @Sendable (Int) throws(Failure) -> [String: TensorData],
    finished: (@Sendable () -> Void)?
  ) throws(Failure) -> QualityReport {
    let results = try workers.map(samples.count) { (index) throws(Failure) in
      let feeds = try sample(samples[index])
      let pair = (try float.run(feeds), try quantized.run(feeds))
      finished?()
      return zip(pair.0, pair.1).map { compare($0.name, $0.data, $1.data) }
    }
    var outputs: [QualityReport.Output] = []
    for (index, name) in float.outputNames.enumerated() {
      let comparisons = results.compactMap { $0[index] }
      guard comparisons.count == samples.count else { continue }
      var sums = PairSums()
      for comparison in comparisons { sums.add(comparison.sums) }
      let rows = comparisons.reduce(0) { $0 + $1.rows }
      let cosines = comparisons.map(\.sums.cosine)
      outputs.append(
        .init(
          name: name, cosine: sums.cosine, worstCosine: cosines.min() ?? 1,
          signalToNoise: sums.signalToNoise,
          agreement: rows > 0 ? (comparisons.reduce(0) { $0 + $1.same }, rows) : nil,
          cosines: cosines))
    }
    return QualityReport(sampleCount: samples.count, source: source, outputs: outputs)
  }

  /// Nil for results that aren't float32 or differ in shape.
  private func compare(_ name: String, _ a: TensorData, _ b: TensorData) -> Comparison? {
    guard a.elementType == .float32, b.elementType == .float32, a.dimensions == b.dimensions,
      let left = a.packed, let right = b.packed
    else { return nil }
    return left.withUnsafeBytes { left in
      right.withUnsafeBytes { right in
        let (x, y) = (left.bindMemory(to: Float.self), right.bindMemory(to: Float.self))
        let (same, rows) =
          scoreOutputs.contains(name) ? Assessor.agreement(x, y, width: a.dimensions.last) : (0, 0)
        return Comparison(sums: PairSums(x, y), same: same, rows: rows)
      }
    }
  }

  private static func agreement(
    _ a: UnsafeBufferPointer<Float>, _ b: UnsafeBufferPointer<Float>, width: Int?
  ) -> (same: Int, rows: Int) {
    guard let width, width > 1, a.count >= width else { return (0, 0) }
    func place(_ values: Slice<UnsafeBufferPointer<Float>>) -> Int {
      (values.indices.max { values[$0] < values[$1] } ?? 0) - values.startIndex
    }
    var same = 0
    for start in stride(from: 0, to: a.count - width + 1, by: width)
    where place(a[start..<start + width]) == place(b[start..<start + width]) {
      same += 1
    }
    return (same, a.count / width)
  }
}
