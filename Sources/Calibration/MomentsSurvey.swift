import GraphPasses
import Inference
import ModelGraph
import Quantization
import Support

/// Runs a model on samples and gathers second moments of what some operators multiply their weights
/// with.
///
/// The model may be a part of one, cut as `GraphStages` does: runs start from kept activations then,
/// and leave others for the next part. The result is the same for any number of workers. Memory is
/// the moments in double precision, and once more in single precision for each worker, beside what is
/// kept.
public struct MomentsSurvey: Sendable {
  /// An operator's input.
  public struct Target: Sendable {
    /// The activation's name.
    public var name: String
    /// How it becomes rows.
    public var rows: ProductRows

    /// States a target.
    public init(name: String, rows: ProductRows) {
      self.name = name
      self.rows = rows
    }

    /// Rows to take of one sample: at most 1,500, and fewer where each has much to tell or costs much.
    fileprivate var limit: Int {
      if rows.isDepthwise { return 512 }
      return max(192, min(1500, 400_000_000 / max(1, rows.columns * rows.columns)))
    }
  }

  private let session: InferenceSession
  /// Names of the kept activations that runs start from, and of those that they leave.
  private let known: Set<String>
  private let leaving: [String]
  private let readsInputs: Bool
  private let targets: [Target]
  private let indices: [String: [Int]]

  /// Prepares a part of a model.
  ///
  /// - Throws: an operator that the engine lacks.
  public init(_ part: GraphStages.Part, targets: [Target]) throws(Failure) {
    self.targets = targets
    known = Set(part.known.map(\.name))
    leaving = part.kept.map(\.name)
    readsInputs = part.readsInputs
    let indices = Dictionary(grouping: targets.indices) { targets[$0].name }
    self.indices = indices
    session = try InferenceSession(
      model: part.model, options: .init(threads: 1, isWatched: { indices[$0] != nil }))
  }

  /// Looks at all samples.
  ///
  /// - Parameters:
  ///   - kept: the activations that the part starts from; those that it leaves are kept there.
  ///   - sample: makes the inputs of one sample; called from any worker.
  ///   - finished: told after each sample, from any worker.
  /// - Returns: the moments of each target; nothing was added to those that no sample reached. And
  ///   whether what the part leaves is kept now.
  public func run(
    _ count: Int, workers: WorkerPool, kept: KeptActivations,
    sample: @Sendable (Int) throws(Failure) -> [String: TensorData],
    finished: (@Sendable () -> Void)? = nil
  ) throws(Failure) -> (moments: [InputMoments], isKept: Bool) {
    struct State {
      var fold = OrderedFold<(target: Int, part: InputMoments.Part)>()
      var totals: [InputMoments]
    }
    let state = Guarded(
      State(
        totals: targets.map { InputMoments(groups: $0.rows.groups, columns: $0.rows.columns) }))
    try session.forEachSample(
      count, workers: workers,
      feeds: { (index) throws(Failure) in
        let activations = kept.activations(of: index).filter { known.contains($0.key) }
        return (readsInputs ? try sample(index) : [:]).merging(activations) { fed, _ in fed }
      },
      observer: { index, name, tensor in
        for target in indices[name] ?? [] {
          let rows = targets[target].rows
          var part = InputMoments.Part(
            groups: rows.groups, columns: rows.columns, isDepthwise: rows.isDepthwise)
          rows.sample(tensor, limit: targets[target].limit, seed: index) { block in
            part.add(block.elements, count: block.count, group: block.group)
          }
          let told = (target, part)
          state.withLock { $0.fold.add(told, sample: index) }
        }
      },
      visit: { (index, results) throws(Failure) in
        if !leaving.isEmpty { kept.take(results, names: leaving, of: index) }
        state.withLock { state in
          var totals = state.totals
          state.totals = []
          state.fold.finish(index) { totals[$0.target].merge($0.part) }
          state.totals = totals
        }
        finished?()
      })
    return (state.withLock { $0.totals }, kept.advance())
  }
}
