import Inference
import ModelFormats
import ModelGraph
import Reports
import Support

/// Runs a float model on tensors from files and writes what comes out.
public struct ModelRun {
  private let job: ModelRunJob

  /// Takes a job.
  public init(_ job: ModelRunJob) { self.job = job }

  /// Does all of it.
  ///
  /// - Throws: everything that keeps the model from running, and outputs that can't be written.
  public func run() throws(Failure) -> ModelRunOutcome {
    let start = ProcessUsage.seconds
    let model = try ModelSource.load(path: job.modelPath)
    let patterns = job.dumped
    let activations = job.rangesPath == nil ? [] : ActivationSurvey.names(in: model.graph)
    let session = try InferenceSession(
      model: model,
      options: .init(
        threads: job.threads,
        isWatched: { name in
          activations.contains(name) || patterns.contains { $0.matches(name) }
        }))
    let preparation = ProcessUsage.seconds - start
    let feeds = try InputFeeds(job, session.inputs)
    let writer = try job.outputFolder.map { folder throws(Failure) in
      try TensorFolder(folder)
    }
    let measured = try measure(session, feeds, activations)
    var outputs: [ModelRunOutcome.Item] = []
    for (name, data) in measured.last.results {
      outputs.append(.init(name, data, file: try writer?.write(data, name)))
    }
    let dumped = try dump(session, feeds, writer, besides: outputs)
    try writeRanges(measured.last.survey)
    return ModelRunOutcome(
      model: ModelSurvey.facts(of: model, path: job.modelPath), inputs: feeds.items,
      outputs: outputs, dumped: dumped, rangesFile: job.rangesPath,
      preparationSeconds: preparation, runSeconds: measured.times,
      hasWarmUp: job.repeats != nil)
  }

  /// One timed run, with what it gave.
  private struct Measurement {
    let seconds: Double
    let results: [(name: String, data: TensorData)]
    let survey: ActivationSurvey
  }

  private func measure(
    _ session: InferenceSession, _ feeds: InputFeeds, _ activations: Set<String>
  ) throws(Failure) -> (times: [Double], last: Measurement) {
    if job.repeats != nil { _ = try time(session, feeds, activations) }
    var times: [Double] = []
    for _ in 1..<max(1, job.repeats ?? 1) {
      times.append(try time(session, feeds, activations).seconds)
    }
    let last = try time(session, feeds, activations)
    return (times + [last.seconds], last)
  }

  private func time(
    _ session: InferenceSession, _ feeds: InputFeeds, _ activations: Set<String>
  ) throws(Failure) -> Measurement {
    var survey = ActivationSurvey()
    let start = ProcessUsage.seconds
    let results: [(name: String, data: TensorData)]
    if let batch = job.batch {
      results = try run(batch, session, feeds)
    } else if activations.isEmpty {
      results = try session.run(feeds.tensors)
    } else {
      results = try session.run(feeds.tensors) { name, tensor in
        if activations.contains(name) { survey.observe(name, tensor) }
      }
    }
    return Measurement(seconds: ProcessUsage.seconds - start, results: results, survey: survey)
  }

  /// Feeds the same to each of many samples; the results of the first.
  private func run(
    _ batch: ModelRunJob.Batch, _ session: InferenceSession, _ feeds: InputFeeds
  ) throws(Failure) -> [(name: String, data: TensorData)] {
    let first = Guarded<[(name: String, data: TensorData)]>([])
    let tensors = feeds.tensors
    try session.forEachSample(
      batch.sampleCount, workers: WorkerPool(threads: batch.workers), feeds: { _ in tensors },
      visit: { sample, results in if sample == 0 { first.withLock { $0 = results } } })
    return first.withLock { $0 }
  }

  private func writeRanges(_ survey: ActivationSurvey) throws(Failure) {
    guard let path = job.rangesPath else { return }
    do throws(SystemError) {
      try AtomicFile.write(ActivationRangeReport.csv(survey.rows), to: path)
    } catch {
      throw Failure(.cannotWrite, "'\(path)' cannot be written: \(error.reason)")
    }
  }

  /// Runs once more and writes every watched value while it is there; outputs are there already.
  private func dump(
    _ session: InferenceSession, _ feeds: InputFeeds, _ writer: TensorFolder?,
    besides outputs: [ModelRunOutcome.Item]
  ) throws(Failure) -> [ModelRunOutcome.Item] {
    guard !job.dumped.isEmpty, let writer else { return [] }
    let written = Set(outputs.map(\.name))
    var items: [ModelRunOutcome.Item] = []
    var hasMatch = false
    var problem: Failure?
    _ = try session.run(feeds.tensors) { name, tensor in
      hasMatch = true
      guard problem == nil, !written.contains(name) else { return }
      let data = tensor.copied()
      do throws(Failure) {
        items.append(.init(name, data, file: try writer.write(data, name)))
      } catch {
        problem = error
      }
    }
    if let problem { throw problem }
    guard hasMatch else {
      let patterns = job.dumped.map { "'\($0.pattern)'" }.joined(separator: ", ")
      throw Failure(
        .flagInvalid, "no value of the model matches \(patterns)",
        help: "`gsconvert inspect \(job.modelPath) --verbose` lists the names")
    }
    return items
  }
}
