import GraphPasses
import ModelGraph

/// Decides which operators without weights take part in integers.
struct FunctionPlanner {
  /// What is decided about a node.
  enum Decision {
    /// It takes part.
    case quantized(IntegerFunction)
    /// The target would take it, but its numbers would suffer.
    case float(FloatOperatorReason)
    /// The target does not ask for it.
    case none
  }

  private let profile: TargetProfile
  private let uses: GraphUses
  private let makers: Set<ObjectIdentifier>
  private let absorbed: Set<ObjectIdentifier>
  private let sums: SumFusion
  private let delicate: DelicateArithmetic

  /// Looks at a graph whose operators with weights are decided about.
  ///
  /// - Complexity: O(edges).
  init(
    _ profile: TargetProfile, _ graph: Graph, _ uses: GraphUses, operations: [IntegerOperation]
  ) {
    self.profile = profile
    self.uses = uses
    makers = Set(operations.map { ObjectIdentifier($0.node) })
    absorbed = Set(operations.flatMap(\.absorbed).map(ObjectIdentifier.init))
    sums = SumFusion(profile.fusesSums ? graph : nil, uses, weighted: makers)
    delicate = DelicateArithmetic(profile.integerFunctions.isEmpty ? nil : graph, uses)
  }

  /// What becomes of a node.
  func decision(_ node: Node) -> Decision {
    let identity = ObjectIdentifier(node)
    guard node.isStandard, !makers.contains(identity), !absorbed.contains(identity) else {
      return .none
    }
    if profile.integerFunctions.contains(node.operatorType) { return function(node) }
    var read: Value?
    if profile.quantizedReaders.contains(node.operatorType) {
      read = node.inputs.first.flatMap { $0 }
    } else if profile.fusesSums {
      read = sums.residual(of: node)
    }
    guard let read, FullPlanner.isActivation(read) else { return .none }
    return .quantized(IntegerFunction(node: node, inputs: [read], constants: [], outputs: []))
  }

  private func function(_ node: Node) -> Decision {
    guard !delicate.isInteger(node) else { return .none }
    var inputs: [Value] = []
    var constants: [Int] = []
    for place in IntegerFunction.dataInputs(of: node) {
      guard let input = node.inputs[place] else { return .none }
      if FullPlanner.isActivation(input) {
        inputs.append(input)
      } else {
        guard let values = input.constant?.float32Values, !values.isEmpty, !input.isOverridable
        else { return .none }
        let isUsual = values.allSatisfy { abs($0) < DelicateArithmetic.hugeMagnitude }
        guard isUsual else { return .float(.hugeRange) }
        constants.append(place)
      }
    }
    guard !inputs.isEmpty else { return .none }
    if let reason = delicate.reason(node) { return .float(reason) }
    return .quantized(
      IntegerFunction(
        node: node, inputs: inputs, constants: constants,
        outputs: node.outputs.compactMap { $0 }))
  }
}
