import Inference
import ModelFormats
import ModelGraph
import Support

/// One run of the written model on made input, to see that it runs.
struct TrialRun {
  private let feeds: MadeFeeds

  /// Chooses what will be fed.
  ///
  /// - Throws: shapes for inputs that don't exist or have other extents, and inputs that nothing can
  ///   be made for.
  init(_ model: Model, shapes: [String: [Int]]) throws(Failure) {
    feeds = try MadeFeeds(model, shapes: shapes)
  }

  /// Reads the written model and runs it once.
  ///
  /// - Throws: what keeps it from running; the file is there all the same.
  func run(_ path: String, threads: Int) throws(Failure) -> TrialFacts {
    do throws(Failure) {
      let start = ProcessUsage.seconds
      let session = try InferenceSession(
        model: try ModelLoader.load(path: path), options: .init(threads: threads))
      let prepared = ProcessUsage.seconds
      let made = try feeds.tensors()
      let began = ProcessUsage.seconds
      let results = try session.run(Dictionary(made) { first, _ in first })
      return TrialFacts(
        inputs: made.map { .init($0.name, $0.data, file: nil) },
        outputs: results.map { .init($0.name, $0.data, file: nil) },
        preparationSeconds: prepared - start, runSeconds: ProcessUsage.seconds - began)
    } catch {
      var failure = error
      failure.diagnostics[0].message =
        "the result '\(path)' is written but does not run: " + failure.diagnostics[0].message
      throw failure
    }
  }
}

/// What running the result showed.
public struct TrialFacts: Sendable {
  /// What was fed.
  public let inputs: [ModelRunOutcome.Item]
  /// What came out.
  public let outputs: [ModelRunOutcome.Item]
  /// Seconds from the file to a session that can run.
  public let preparationSeconds: Double
  /// Seconds of the run.
  public let runSeconds: Double
}
