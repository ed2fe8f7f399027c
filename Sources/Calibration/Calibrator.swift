import Inference
import ModelGraph
import Statistics
import Support

/// What calibration found out about one activation.
public struct CalibratedActivation: Sendable {
  /// Range, histogram, channels and so on, over all samples.
  public internal(set) var statistics: TensorStatistics
  /// The sum over samples of each channel's largest magnitude in a sample.
  public internal(set) var channelReaches: [Double]
  /// The shape in the first sample.
  public let shape: [Int]

  /// Adds the next sample.
  mutating func merge(_ next: CalibratedActivation) {
    statistics.merge(next.statistics)
    if channelReaches.count == next.channelReaches.count {
      for index in channelReaches.indices { channelReaches[index] += next.channelReaches[index] }
    } else {
      channelReaches = []
    }
  }
}

/// Runs a float model on samples and gathers statistics of its activations, in one pass.
///
/// Samples run at once on as many workers as there are; their statistics are folded in the samples'
/// order, so that the result is the same for any number of workers. Memory is a sample's live set
/// for each worker and some statistics for each activation, however many samples there are.
public struct Calibrator: Sendable {
  /// An activation to look at.
  public struct Target: Sendable {
    /// Its name in the graph.
    public var name: String
    /// How many axes come after that of its channels; nil to gather nothing about channels.
    public var trailingAxes: Int?
    /// Whether more than its shape is wanted.
    public var needsStatistics: Bool

    /// States a target.
    public init(name: String, trailingAxes: Int?, needsStatistics: Bool = true) {
      self.name = name
      self.trailingAxes = trailingAxes
      self.needsStatistics = needsStatistics
    }
  }

  private let session: InferenceSession
  private let targets: [String: Target]
  private let request: StatisticsRequest

  /// Prepares the model.
  ///
  /// - Parameters:
  ///   - targets: the activations to look at.
  ///   - request: what to gather of them, beside what their channels need.
  /// - Throws: an operator that the engine lacks, before any sample is read.
  public init(
    model: Model, targets: [Target], request: StatisticsRequest
  ) throws(Failure) {
    let byName = Dictionary(targets.map { ($0.name, $0) }) { first, _ in first }
    self.targets = byName
    self.request = request
    session = try InferenceSession(
      model: model, options: .init(threads: 1, isWatched: { byName[$0] != nil }))
  }

  /// Looks at all samples.
  ///
  /// - Parameters:
  ///   - sample: makes the inputs of one sample; called from any worker.
  ///   - finished: told after each sample, from any worker.
  /// - Returns: what was gathered, by name; activations that no sample reached are missing.
  public func run(
    _ count: Int, workers: WorkerPool,
    sample: @Sendable (Int) throws(Failure) -> [String: TensorData],
    finished: (@Sendable () -> Void)? = nil
  ) throws(Failure) -> [String: CalibratedActivation] {
    struct State {
      var fold = OrderedFold<(name: String, observed: CalibratedActivation)>()
      var totals: [String: CalibratedActivation] = [:]
    }
    let state = Guarded(State())
    try session.forEachSample(
      count, workers: workers, feeds: sample,
      observer: { index, name, tensor in
        guard let observed = observe(name, tensor) else { return }
        state.withLock { $0.fold.add((name, observed), sample: index) }
      },
      visit: { (index, _) throws(Failure) in
        state.withLock { state in
          var totals = state.totals
          state.totals = [:]
          state.fold.finish(index) { name, observed in
            if totals[name] == nil {
              totals[name] = observed
            } else {
              totals[name]?.merge(observed)
            }
          }
          state.totals = totals
        }
        finished?()
      })
    return state.withLock { $0.totals }
  }

  private func observe(_ name: String, _ tensor: Tensor) -> CalibratedActivation? {
    guard let target = targets[name], tensor.elementType == .float32 else { return nil }
    guard target.needsStatistics else {
      return CalibratedActivation(
        statistics: TensorStatistics(), channelReaches: [], shape: tensor.shape)
    }
    var request = request
    var arrangement: ChannelArrangement?
    if let trailing = target.trailingAxes, tensor.rank > trailing {
      let axis = tensor.rank - 1 - trailing
      arrangement = ChannelArrangement(
        extents: tensor.layout.physicalShape(tensor.shape),
        axis: tensor.layout.physicalAxis(axis, rank: tensor.rank))
      request.formUnion([.channelRanges, .channelSquares])
    }
    return tensor.withUnsafeBytes { bytes in
      let statistics = TensorStatistics(
        sample: bytes.bindMemory(to: Float.self), arrangement: arrangement, request: request)
      let reaches = statistics.channels.map { channels in
        zip(channels.minimums, channels.maximums).map { max(abs(Double($0)), abs(Double($1))) }
      }
      return CalibratedActivation(
        statistics: statistics, channelReaches: reaches ?? [], shape: tensor.shape)
    }
  }
}
