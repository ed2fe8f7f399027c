import Inference
import ModelFormats
import ModelGraph
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
    let model = try ModelLoader.load(path: job.modelPath)
    let patterns = job.dumped
    let session = try InferenceSession(
      model: model,
      options: .init(
        threads: job.threads,
        isWatched: { name in patterns.contains { $0.matches(name) } }))
    let preparation = ProcessUsage.seconds - start
    let feeds = try InputFeeds(job, session.inputs)
    let writer = try job.outputFolder.map { folder throws(Failure) in
      try TensorFolder(folder)
    }
    var times: [Double] = []
    if job.repeats != nil { _ = try session.run(feeds.tensors) }
    for _ in 1..<max(1, job.repeats ?? 1) { times.append(try time(session, feeds).seconds) }
    let last = try time(session, feeds)
    times.append(last.seconds)
    var outputs: [ModelRunOutcome.Item] = []
    for (name, data) in last.results {
      outputs.append(.init(name, data, file: try writer?.write(data, name)))
    }
    let dumped = try dump(session, feeds, writer, besides: outputs)
    return ModelRunOutcome(
      model: ModelSurvey.facts(of: model, path: job.modelPath), inputs: feeds.items,
      outputs: outputs, dumped: dumped, preparationSeconds: preparation, runSeconds: times,
      hasWarmUp: job.repeats != nil)
  }

  private func time(
    _ session: InferenceSession, _ feeds: InputFeeds
  ) throws(Failure) -> (seconds: Double, results: [(name: String, data: TensorData)]) {
    let start = ProcessUsage.seconds
    let results = try session.run(feeds.tensors)
    return (ProcessUsage.seconds - start, results)
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
