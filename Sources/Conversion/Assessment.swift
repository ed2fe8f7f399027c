import Inference
import ModelFormats
import ModelGraph
import SampleData
import Support

/// Compares the written model with the float model on up to 16 samples.
struct Assessment {
  let job: ConversionJob
  /// The written model, or what can be run in its place.
  let writtenPath: String
  let pool: WorkerPool
  let observer: (any ConversionObserver)?
  /// How the written model is computed: its target's way.
  var arithmetic = QuantizedArithmetic.simulated

  /// On samples that weren't used for calibration where there are some, else on those that were.
  ///
  /// - Parameter calibrated: how many of the samples, the first ones, were used for calibration.
  func run(_ samples: CalibrationSet, calibrated: Int) throws(Failure) -> QualityReport {
    let assessor = try makeAssessor()
    let total = samples.count + samples.heldBackCount
    let unused = calibrated..<min(total, calibrated + Assessor.sampleLimit)
    if !unused.isEmpty {
      // The files behind calibrate_size are nobody's promise: they may be no samples at all.
      do { return try compare(assessor, samples, unused, source: .unused) } catch {}
    }
    let used = 0..<min(samples.count, Assessor.sampleLimit)
    return try compare(assessor, samples, used, source: calibrated > 0 ? .calibration : .unused)
  }

  /// On random input, where there are no samples.
  func run(_ made: MadeFeeds) throws(Failure) -> QualityReport {
    let feeds = Dictionary(try made.tensors()) { first, _ in first }
    return try makeAssessor().compare(
      [0], workers: pool, source: .random, sample: { (_) throws(Failure) in feeds }, finished: nil)
  }

  private func makeAssessor() throws(Failure) -> Assessor {
    try Assessor(
      float: ModelSource.load(path: job.modelPath),
      quantized: ModelLoader.load(path: writtenPath), arithmetic: arithmetic)
  }

  private func compare(
    _ assessor: Assessor, _ samples: CalibrationSet, _ used: Range<Int>,
    source: QualityReport.Source
  ) throws(Failure) -> QualityReport {
    observer?.began("compare", total: used.count, of: .samples)
    defer { observer?.ended() }
    return try assessor.compare(
      Array(used), workers: pool, source: source,
      sample: { (index) throws(Failure) in try samples.sample(index) },
      finished: { [observer] in observer?.advanced(by: 1) })
  }
}
