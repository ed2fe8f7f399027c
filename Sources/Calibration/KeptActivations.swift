import ModelGraph
import Support

/// Activations of every sample at one place of a model, for runs that start there.
///
/// Memory has a bound: where the next place's activations would take more, what is kept stays, and
/// later runs start from there. Nothing else depends on it.
public final class KeptActivations: Sendable {
  private struct State {
    var kept: [[String: TensorData]]
    var coming: [[String: TensorData]?]
    /// Whether the coming activations fit; nil while no sample has told.
    var fits: Bool?
  }

  private let byteLimit: Int
  private let state: Guarded<State>

  /// Keeps nothing yet.
  ///
  /// - Parameters:
  ///   - sampleCount: how many samples there are.
  ///   - byteLimit: bytes that the activations of all samples may take, about: the first sample that is
  ///     through stands for all.
  public init(sampleCount: Int, byteLimit: Int) {
    self.byteLimit = byteLimit
    state = Guarded(
      State(
        kept: [[String: TensorData]](repeating: [:], count: sampleCount),
        coming: [[String: TensorData]?](repeating: nil, count: sampleCount)))
  }

  /// What is kept of a sample.
  func activations(of sample: Int) -> [String: TensorData] { state.withLock { $0.kept[sample] } }

  /// Takes a sample's activations at the next place; what was kept of it is given up if they all fit.
  ///
  /// - Parameters:
  ///   - made: those that a run made.
  ///   - names: all; those that no run made are kept already.
  func take(_ made: [(name: String, data: TensorData)], names: [String], of sample: Int) {
    state.withLock { state in
      var next = Dictionary(made) { first, _ in first }
      for name in names where next[name] == nil { next[name] = state.kept[sample][name] }
      if state.fits == nil {
        let bytes = next.values.reduce(0) { $0 + $1.byteCount }
        state.fits = bytes <= byteLimit / max(1, state.kept.count)
      }
      guard state.fits == true else { return }
      state.coming[sample] = next
      state.kept[sample] = [:]
    }
  }

  /// Ends a round over all samples.
  ///
  /// - Returns: whether what was taken is kept now.
  func advance() -> Bool {
    state.withLock { state in
      let isComplete = state.fits == true
      if isComplete { state.kept = state.coming.map { $0 ?? [:] } }
      state.coming = state.coming.map { _ in nil }
      state.fits = nil
      return isComplete
    }
  }
}
