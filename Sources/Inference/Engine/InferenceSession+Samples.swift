import ModelGraph
import Support

extension InferenceSession {
  /// Runs the model on many samples, as many at once as there are workers.
  ///
  /// The session should have been made with one thread: a worker then is one thread. Memory is one
  /// sample's live set for each worker, whatever `count` is.
  ///
  /// - Parameters:
  ///   - feeds: the tensors of a sample, asked for when its turn comes.
  ///   - observer: told of watched values, with the sample's number, on the worker's thread.
  ///   - visit: given a sample's results, on the worker's thread, in no particular order.
  /// - Throws: the failure of the first sample that fails.
  public func forEachSample(
    _ count: Int, workers: WorkerPool,
    feeds: @Sendable (Int) throws(Failure) -> [String: TensorData],
    observer: (@Sendable (_ sample: Int, _ name: String, _ tensor: Tensor) -> Void)? = nil,
    visit:
      @Sendable (_ sample: Int, _ results: [(name: String, data: TensorData)]) throws(Failure)
      -> Void
  ) throws(Failure) {
    try workers.forEach(count) { (sample) throws(Failure) in
      let watching: Observer? = observer.map { observer in
        { name, tensor in observer(sample, name, tensor) }
      }
      try visit(sample, run(feeds(sample), observer: watching))
    }
  }
}
