import GraphPasses
import ModelGraph
import Operators

/// Decides which operators run in integers and which activations are quantized for them.
///
/// An activation is quantized where an integer operator reads it, and where an integer operator
/// makes it whose kernel wants that. All else stays float: sums of residual branches, activation
/// functions, normalizations and attention keep their precision, and cost little.
public struct FullPlanner {
  private let settings: FullQuantizationSettings
  private var profile: TargetProfile { settings.profile }

  /// A planner for these settings.
  public init(_ settings: FullQuantizationSettings) { self.settings = settings }

  /// The plan for a graph.
  ///
  /// - Parameter unusable: activations that cannot be quantized, and why; operators that would need
  ///   them stay float.
  /// - Complexity: O(edges), and one look at all weights.
  public func plan(
    _ graph: Graph, unusable: [ObjectIdentifier: FloatOperatorReason] = [:]
  ) -> FullPlan {
    let uses = GraphUses(graph)
    var plan = FullPlan(operations: [], groups: [], readers: [:], floats: [])
    for node in graph.nodes where hasWeights(node) {
      switch decide(node, uses) {
      case .success(let operation):
        let needed = [operation.input] + (operation.quantizesOutput ? [operation.output] : [])
        if let reason = needed.lazy.compactMap({ unusable[ObjectIdentifier($0)] }).first {
          plan.floats.append((node, reason))
        } else {
          plan.operations.append(operation)
        }
      case .failure(let problem): plan.floats.append((node, problem.reason))
      }
    }
    for inner in graph.allGraphs.dropFirst() {
      for node in inner.nodes where hasWeights(node) { plan.floats.append((node, .nestedGraph)) }
    }
    planFunctions(&plan, graph, uses, unusable)
    assignReaders(&plan)
    addBorders(&plan, graph, uses, unusable)
    plan.groups = groups(of: plan, in: graph, uses)
    return plan
  }

  private func planFunctions(
    _ plan: inout FullPlan, _ graph: Graph, _ uses: GraphUses,
    _ unusable: [ObjectIdentifier: FloatOperatorReason]
  ) {
    let planner = FunctionPlanner(profile, graph, uses, operations: plan.operations)
    for node in graph.nodes where !settings.skipped.contains(where: { $0.matches(node) }) {
      switch planner.decision(node) {
      case .none: break
      case .float(let reason): plan.floats.append((node, reason))
      case .quantized(let function):
        let reasons = function.activations.compactMap { unusable[ObjectIdentifier($0)] }
        if let reason = reasons.first {
          if reason == .hugeRange { plan.floats.append((node, reason)) }
        } else {
          plan.functions.append(function)
          plan.floats.removeAll { $0.node === node }
        }
      }
    }
  }

  /// Operators that have learned weights or multiply matrices.
  private func hasWeights(_ node: Node) -> Bool {
    !WeightOperand.operands(of: node).isEmpty && node.operatorType != "Gather"
  }

  private struct Refusal: Error { let reason: FloatOperatorReason }

  // MARK: Operators

  private func decide(_ node: Node, _ uses: GraphUses) -> Result<IntegerOperation, Refusal> {
    func refuse(_ reason: FloatOperatorReason) -> Result<IntegerOperation, Refusal> {
      .failure(Refusal(reason: reason))
    }
    if let pattern = settings.skipped.first(where: { $0.matches(node) }) {
      return refuse(.skipped(pattern: pattern.text))
    }
    guard let kernel = profile.integerOperators[node.operatorType] else {
      return refuse(.noIntegerKernel)
    }
    guard let operand = WeightOperand.operands(of: node).first(where: { $0.input == 1 }),
      node.inputs.count > 1, let weights = node.inputs[1], let source = weights.constant
    else { return refuse(.noConstantWeights) }
    guard let input = node.inputs[0], FullPlanner.isActivation(input) else {
      return refuse(.inputNotFloat)
    }
    if let reason = weightsReason(weights, source) { return refuse(.weights(reason)) }
    if let reason = targetReason(node, weights, source, uses) { return refuse(reason) }
    guard let axis = operand.axis(for: node, rank: source.dimensions.count) else {
      return refuse(.weights(.rankBelowTwo))
    }
    if FilterBank.filtersWaveform(node, weights: source) { return refuse(.filterBank) }
    guard kernel.takesGroups || FullPlanner.hasPlainGroups(node, source.dimensions) else {
      return refuse(.groups)
    }
    guard FullPlanner.hasUnitFactors(node) else { return refuse(.factors) }
    guard
      !profile.quantizesBiases
        || FullPlanner.hasPlainBias(node, channels: source.dimensions[axis])
    else { return refuse(.biasForm) }
    guard let output = node.outputs.first ?? nil else { return refuse(.neverRun) }
    let adding = profile.takesAddedBias ? adding(node, source.dimensions[axis], uses) : nil
    let sum = adding?.outputs.first.flatMap { $0 } ?? output
    let absorbed = profile.absorbsClipping ? clipping(after: sum, uses) : []
    return .success(
      IntegerOperation(
        node: node, input: input, weightInput: 1, weights: weights, channelAxis: axis,
        kernelAxis: operand.kernelAxis, adding: adding, absorbed: absorbed,
        output: absorbed.last?.outputs[0] ?? sum,
        quantizesOutput: kernel.needsQuantizedOutput || !absorbed.isEmpty))
  }

  /// Whether a value is computed, and float32 as far as is known.
  static func isActivation(_ value: Value) -> Bool {
    guard value.constant == nil else { return false }
    return if case .tensor(let type, _) = value.type { type == .float32 } else { true }
  }

  /// Why the target leaves an operator with such weights float.
  private func targetReason(
    _ node: Node, _ weights: Value, _ source: TensorData, _ uses: GraphUses
  ) -> FloatOperatorReason? {
    if node.operatorType == "Conv", let channels = source.dimensions.first,
      channels < settings.minWeightChannel
    {
      return .tooFewChannels(channels: channels, limit: settings.minWeightChannel)
    }
    guard !profile.takesSharedWeights, node.operatorType != "Conv" else { return nil }
    if uses.readers(of: weights).count > 1 { return .sharedWeights }
    return (node.int("transB") ?? 0) == 0 ? nil : .turnedWeights
  }

  private func weightsReason(_ value: Value, _ source: TensorData) -> FloatReason? {
    if value.isOverridable { return .overridable }
    if source.elementType != .float32 { return .elementType(source.elementType) }
    if source.dimensions.count < 2 { return .rankBelowTwo }
    if source.elementCount == 0 { return .empty }
    guard let bytes = source.packed else { return .sparse }
    let largest = FloatReader.largestMagnitude(bytes, source.elementType)
    if !largest.isFinite { return .nonFinite }
    return largest > Float.greatestFiniteMagnitude / 4 ? .rangeTooWide : nil
  }

  /// Whether a convolution has one group, or filters each channel by itself.
  private static func hasPlainGroups(_ node: Node, _ weights: [Int]) -> Bool {
    let group = node.int("group") ?? 1
    return group == 1 || weights[1] == 1 && group == Int64(weights[0])
  }

  static func hasUnitFactors(_ node: Node) -> Bool {
    guard node.operatorType == "Gemm" else { return true }
    return (node.float("alpha") ?? 1) == 1 && (node.float("beta") ?? 1) == 1
      && (node.int("transA") ?? 0) == 0
  }

  static func hasPlainBias(_ node: Node, channels: Int) -> Bool {
    guard node.inputs.count > 2, let bias = node.inputs[2] else { return true }
    guard let values = bias.constant?.float32Values, !bias.isOverridable else { return false }
    return values.count == channels && values.allSatisfy(\.isFinite)
      && bias.constant?.dimensions.last == channels
  }

  private func adding(_ node: Node, _ channels: Int, _ uses: GraphUses) -> Node? {
    guard let bias = FollowingBias(node, channels: channels, uses), !bias.value.isOverridable,
      let values = bias.value.constant?.float32Values, values.allSatisfy(\.isFinite)
    else { return nil }
    return bias.node
  }

  /// The Relu and Clip nodes after a value that a range from zero on makes needless.
  private func clipping(after output: Value, _ uses: GraphUses) -> [Node] {
    var found: [Node] = []
    var value = output
    while let next = uses.onlyReader(of: value), next.isStandard, FullPlanner.clipsAtZero(next),
      let result = next.outputs.first ?? nil
    {
      found.append(next)
      value = result
    }
    return found
  }

  private static func clipsAtZero(_ node: Node) -> Bool {
    switch node.operatorType {
    case "Relu": return true
    case "Clip":
      guard let limits = ElementwiseFunction.limits(of: node) else { return false }
      return limits.lowerBound == 0 && limits.upperBound > 0
    default: return false
    }
  }

  // MARK: Activations

  private func assignReaders(_ plan: inout FullPlan) {
    for operation in plan.operations where operation.quantizesOutput {
      plan.readers[ObjectIdentifier(operation.output)] = .all
    }
    for value in plan.functions.flatMap(\.outputs) {
      plan.readers[ObjectIdentifier(value)] = .all
    }
    let readings = plan.functions.flatMap { function in
      function.inputs.map { (function.node, $0) }
    }
    for (node, value) in plan.operations.map({ ($0.node, $0.input) }) + readings {
      let identity = ObjectIdentifier(value)
      switch plan.readers[identity] {
      case .all: break
      case .nodes(let others):
        plan.readers[identity] = .nodes(others.union([ObjectIdentifier(node)]))
      case nil: plan.readers[identity] = .nodes([ObjectIdentifier(node)])
      }
    }
  }

  /// Adds the model's inputs and results where they shall be integers.
  private func addBorders(
    _ plan: inout FullPlan, _ graph: Graph, _ uses: GraphUses,
    _ unusable: [ObjectIdentifier: FloatOperatorReason]
  ) {
    func isUsable(_ value: Value) -> Bool {
      FullPlanner.isActivation(value) && unusable[ObjectIdentifier(value)] == nil
    }
    for value in graph.inputs where settings.quantizesInputs && isUsable(value) {
      plan.readers[ObjectIdentifier(value)] = .nodes(
        Set(uses.readers(of: value).map(ObjectIdentifier.init)))
    }
    for value in graph.outputs where settings.quantizesOutputs && isUsable(value) {
      guard value.producer != nil else { continue }
      plan.readers[ObjectIdentifier(value)] = .all
    }
  }

  /// Quantized activations, those together that one is moved into the other.
  private func groups(of plan: FullPlan, in graph: Graph, _ uses: GraphUses) -> [ActivationGroup] {
    var order: [Value] = []
    var index: [ObjectIdentifier: Int] = [:]
    for value in graph.inputs + graph.nodes.flatMap({ $0.outputs.compactMap { $0 } })
    where plan.readers[ObjectIdentifier(value)] != nil {
      index[ObjectIdentifier(value)] = order.count
      order.append(value)
    }
    var parent = Array(order.indices)
    func root(_ item: Int) -> Int {
      var item = item
      while parent[item] != item { item = parent[item] }
      return item
    }
    for (position, value) in order.enumerated() {
      for source in sources(of: value, index) {
        let (a, b) = (root(position), root(source))
        parent[max(a, b)] = min(a, b)
      }
    }
    var members: [Int: [Value]] = [:]
    for (position, value) in order.enumerated() {
      members[root(position), default: []].append(value)
    }
    return members.keys.sorted().map { ActivationGroup(values: members[$0] ?? []) }
  }

  /// The quantized activations whose elements a value holds, through nodes that move them; none
  /// unless all of its elements come from quantized ones or the target shares with the rest.
  private func sources(of value: Value, _ index: [ObjectIdentifier: Int]) -> [Int] {
    var found: [Int] = []
    func visit(_ value: Value, _ depth: Int) -> Bool {
      guard depth < 32, let node = value.producer, profile.isMover(node) else { return false }
      let moved = node.operatorType == "Concat" ? node.inputs : Array(node.inputs.prefix(1))
      for case let input? in moved where input.constant == nil {
        if let position = index[ObjectIdentifier(input)] {
          found.append(position)
        } else if !visit(input, depth + 1), !profile.sharesConcatInputs {
          return false
        }
      }
      return true
    }
    return visit(value, 0) ? found : []
  }
}
