import ModelGraph

/// Joins nodes into one step where nothing observes the value between them.
///
/// Every fusion computes exactly what the separate steps would, to the last bit: whether a value
/// is watched must not change any result. What comes before fusing changes last bits, watched or not.
enum Fusion {
  /// The drafts with what can be fused fused.
  ///
  /// - Parameters:
  ///   - constant: the tensor of a value known before any run.
  ///   - define: makes a new constant.
  static func apply(
    to drafts: [Draft], graph: Graph, isWatched: @escaping (String) -> Bool,
    constant: @escaping (Value) -> Tensor?, define: (Tensor) -> Value
  ) -> [Draft] {
    let folded = NormalizationFolding.apply(
      to: drafts, graph: graph, isWatched: isWatched, constant: constant, define: define)
    let withFollowers = FollowerFusion(
      drafts: folded, graph: graph, isWatched: isWatched, constant: constant
    ).fused(define: define)
    return ElementwiseChain.fuse(
      withFollowers, graph: graph, isWatched: isWatched, constant: constant)
  }
}

/// Who reads which value, among drafts.
struct Readers {
  private var byValue: [ObjectIdentifier: [Int]] = [:]
  private var unfusable: Set<ObjectIdentifier> = []

  init(_ drafts: [Draft], graph: Graph) {
    for (index, draft) in drafts.enumerated() {
      for case let input? in draft.inputs {
        byValue[ObjectIdentifier(input), default: []].append(index)
      }
      for value in draft.captures { unfusable.insert(ObjectIdentifier(value)) }
    }
    for output in graph.outputs { unfusable.insert(ObjectIdentifier(output)) }
  }

  /// The one draft that reads a value, once; nil when there are others, or outputs, or nested
  /// graphs that read it.
  func onlyReader(of value: Value) -> Int? {
    let identity = ObjectIdentifier(value)
    guard !unfusable.contains(identity), let readers = byValue[identity], readers.count == 1 else {
      return nil
    }
    return readers[0]
  }
}
