import Glibc
import ModelFormats
import ModelGraph
import Reports
import Support

/// Writes the reports that `debug_info_save_path` asks for, after the model is written. What goes
/// wrong becomes a warning: a report fails no conversion.
struct DebugReports {
  /// The samples of the reports about distributions.
  struct Rounds: Sendable {
    var count: Int
    var input: ReportFacts.Input
    /// The inputs of one round; called from any worker.
    var feeds: @Sendable (Int) throws(Failure) -> [String: TensorData]
  }

  /// The folder, made if it is missing.
  let folder: String
  /// The written model.
  let outputPath: String
  let pool: WorkerPool
  let observer: (any ConversionObserver)?
  /// The files written.
  private(set) var files: [String] = []
  /// What went wrong.
  private(set) var warnings: [Diagnostic] = []

  init(
    folder: String, outputPath: String, pool: WorkerPool, observer: (any ConversionObserver)?
  ) {
    self.folder = folder
    self.outputPath = outputPath
    self.pool = pool
    self.observer = observer
  }

  /// Writes `quant_param.csv`.
  mutating func write(_ tensors: [QuantizedTensor]) {
    attempt { reports throws(Failure) in
      try reports.files.append(
        reports.put(QuantizationParameterReport.csv(tensors), QuantizationParameterReport.fileName))
    }
  }

  /// Runs both models and writes a file for each round, and the summary of results.
  ///
  /// - Parameter float: loads the model that the outline was made from.
  /// - Returns: what the files show; nil if they could not be made.
  mutating func writeRounds(
    _ outline: ReportOutline, _ rounds: Rounds, float: () throws(Failure) -> Model
  ) -> ReportFacts? {
    var facts: ReportFacts?
    attempt { reports throws(Failure) in
      let workers = reports.pool.workerCount
      let run = try DistributionRun(
        outline, float: float(), quantized: ModelLoader.load(path: reports.outputPath),
        threads: rounds.count > 1 ? 1 : workers)
      let written = try reports.write(rounds, run)
      reports.files += written.map(\.path)
      let summary = OutputSummaryReport.csv(written.map(\.outputs))
      try reports.files.append(reports.put(summary, OutputSummaryReport.fileName))
      facts = ReportFacts(
        roundCount: rounds.count, input: rounds.input,
        losses: DebugReports.losses(outline, written.map(\.losses)))
    }
    return facts
  }

  /// What is kept of a round once its file is written.
  private struct Written: Sendable {
    let path: String
    let outputs: [OutputSummaryReport.Output]
    let losses: [Int: PairSums]
  }

  private func write(_ rounds: Rounds, _ run: DistributionRun) throws(Failure) -> [Written] {
    observer?.began("report", total: rounds.count, of: .samples)
    defer { observer?.ended() }
    return try pool.map(rounds.count) { (index) throws(Failure) in
      let round = try run.round(rounds.feeds(index))
      let path = try put(
        DistributionReport.csv(round.pairs), DistributionReport.fileName(round: index))
      observer?.advanced(by: 1)
      return Written(path: path, outputs: round.outputs, losses: round.losses)
    }
  }

  private static func losses(
    _ outline: ReportOutline, _ rounds: [[Int: PairSums]]
  ) -> [(node: String, signalToNoise: Double)] {
    outline.operators.indices.compactMap { index in
      let sums = rounds.compactMap { $0[index] }
      guard !sums.isEmpty else { return nil }
      var total = PairSums()
      for sum in sums { total.add(sum) }
      return (outline.operators[index].name, total.signalToNoise)
    }
  }

  /// Writes a file into the folder and returns its path.
  private func put(_ bytes: [UInt8], _ name: String) throws(Failure) -> String {
    let path = folder + "/" + name
    do throws(SystemError) {
      try OutputPreflight.makeFolders(folder)
      try AtomicFile.write(bytes, to: path)
    } catch {
      throw Failure(.reportFailed, "the report '\(path)' could not be written: \(error.reason)")
    }
    return path
  }

  private mutating func attempt(_ body: (inout DebugReports) throws(Failure) -> Void) {
    do throws(Failure) { try body(&self) } catch { warn(error) }
  }

  /// Notes why reports are missing.
  mutating func warn(_ failure: Failure) {
    guard let first = failure.diagnostics.first else { return }
    let isOwn = first.code == .reportFailed
    warnings.append(
      Diagnostic(
        .reportFailed,
        isOwn
          ? first.message : "the models could not be run for the reports: \(first.message)",
        severity: .warning, location: first.location, notes: first.notes,
        help: "the model itself is written"))
  }
}
