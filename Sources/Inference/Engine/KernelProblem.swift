/// Why a node cannot be prepared or run: one sentence, without the node's name, which the engine
/// adds.
struct KernelProblem: Error {
  /// What is wrong.
  let message: String
  /// Whether the engine lacks something (rather than the model being wrong).
  let isLack: Bool

  /// The model or its inputs are wrong.
  init(_ message: String) {
    self.message = message
    isLack = false
  }

  /// The model is fine, but the engine can't do this.
  init(lacking message: String) {
    self.message = message
    isLack = true
  }
}
