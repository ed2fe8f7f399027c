import ModelGraph

/// Joins nodes into one step where nothing observes the value between them.
///
/// Every fusion computes exactly what the separate steps would, to the last bit: whether a value
/// is watched must not change any result.
enum Fusion {
  /// The drafts with what can be fused fused.
  ///
  /// - Parameter constant: the tensor of a value known before any run.
  static func apply(
    to drafts: [Draft], graph: Graph, isWatched: (String) -> Bool,
    constant: (Value) -> Tensor?
  ) -> [Draft] {
    drafts
  }
}
