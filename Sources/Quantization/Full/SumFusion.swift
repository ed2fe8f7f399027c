import GraphPasses
import ModelGraph

/// Finds sums that a runtime computes inside the operator with weights that makes one of the terms.
struct SumFusion {
  private let uses: GraphUses
  private let weighted: Set<ObjectIdentifier>
  /// Length of the longest way from an input of the graph to each node.
  private var depths: [ObjectIdentifier: Int] = [:]

  /// - Parameter graph: nil where sums aren't asked about.
  init(_ graph: Graph?, _ uses: GraphUses, weighted: Set<ObjectIdentifier>) {
    self.uses = uses
    self.weighted = weighted
    for node in graph?.nodes ?? [] {
      let before = node.inputs.compactMap { $0?.producer }.compactMap {
        depths[ObjectIdentifier($0)]
      }
      depths[ObjectIdentifier(node)] = (before.max() ?? 0) + 1
    }
  }

  /// The term of a sum beside the one that an operator with weights computes for nothing else; nil
  /// for other nodes.
  ///
  /// Where operators with weights compute both, the deeper one, which ends the main branch, takes
  /// the sum in, and the short cut's result is quantized.
  func residual(of sum: Node) -> Value? {
    guard sum.isONNX("Add"), sum.inputs.count == 2, let first = sum.inputs[0],
      let second = sum.inputs[1], first !== second, FullPlanner.isActivation(first),
      FullPlanner.isActivation(second)
    else { return nil }
    switch (makerDepth(first), makerDepth(second)) {
    case (nil, nil): return nil
    case (_?, nil): return second
    case (nil, _?): return first
    case (let one?, let other?): return one >= other ? second : first
    }
  }

  private func makerDepth(_ term: Value) -> Int? {
    guard let maker = term.producer, weighted.contains(ObjectIdentifier(maker)),
      uses.onlyReader(of: term) != nil
    else { return nil }
    return depths[ObjectIdentifier(maker)]
  }
}
