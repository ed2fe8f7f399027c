import CKernels
import GraphPasses
import ModelGraph
import Operators
import Support

/// Decides which constants become integers, and how.
public struct WeightPlanner {
  private let settings: WeightQuantizationSettings
  private let pool: WorkerPool

  /// A planner for these settings; `pool` reads the weights.
  public init(_ settings: WeightQuantizationSettings, pool: WorkerPool) {
    self.settings = settings
    self.pool = pool
  }

  /// A use of a constant as weights, directly or through nodes that only move elements.
  private struct Use {
    let node: Node
    let operand: WeightOperand
    /// The axis in the constant's own layout.
    let axis: Int?
    /// Whether axes of the constant are those the operator sees.
    let isDirect: Bool
    /// The nodes that read what the operator makes.
    let readers: [Node]
  }

  private struct Candidate {
    let value: Value
    let source: TensorData
    var uses: [Use]
    let isInsideFunction: Bool

    /// The nodes of the uses, each once.
    var nodes: [Node] {
      var seen: Set<ObjectIdentifier> = []
      return uses.map(\.node).filter { seen.insert(ObjectIdentifier($0)).inserted }
    }
  }

  /// The plan for a model. Reads every weight once, to find the non-finite.
  ///
  /// - Complexity: O(nodes + bytes of weights).
  public func plan(_ model: Model) -> QuantizationPlan {
    let candidates = candidates(of: model)
    let decisions = decisions(candidates, in: model.graph)
    let scans = scan(
      zip(candidates, decisions).map { candidate, decision in
        if case .quantize = decision { candidate.source } else { nil }
      })
    let plans = candidates.indices.map { index in
      let candidate = candidates[index]
      var decision = decisions[index]
      if case .quantize = decision, let largest = scans[index] {
        if !largest.isFinite { decision = .stayFloat(.nonFinite) }
        if largest.isFinite, largest > Float.greatestFiniteMagnitude / 4 {
          decision = .stayFloat(.rangeTooWide)
        }
      }
      return ConstantPlan(
        value: candidate.value, nodes: candidate.nodes, source: candidate.source,
        decision: decision)
    }
    return QuantizationPlan(constants: plans)
  }

  /// Patterns of `skip_quant_node` that no node of the model matches.
  public func unmatchedPatterns(in model: Model) -> [NodePattern] {
    let nodes = model.graph.allGraphs.flatMap(\.nodes)
    return settings.skipped.filter { pattern in !nodes.contains { pattern.matches($0) } }
  }

  // MARK: Candidates

  private func candidates(of model: Model) -> [Candidate] {
    var order: [ObjectIdentifier: Int] = [:]
    var found: [Candidate] = []
    func visit(_ graph: Graph, isInsideFunction: Bool) {
      let uses = GraphUses(graph)
      for node in graph.nodes {
        for operand in WeightOperand.operands(of: node) where operand.input < node.inputs.count {
          guard let input = node.inputs[operand.input] else { continue }
          for origin in WeightOrigin.origins(of: input) {
            guard let source = origin.value.constant else { continue }
            let axis = operand.axis(for: node, rank: origin.axes.count).flatMap { origin.axes[$0] }
            let use = Use(
              node: node, operand: operand, axis: axis, isDirect: origin.isDirect,
              readers: node.outputs.compactMap { $0 }.flatMap(uses.readers))
            if let index = order[ObjectIdentifier(origin.value)] {
              found[index].uses.append(use)
            } else if WeightPlanner.mayHoldWeights(source, operand) {
              order[ObjectIdentifier(origin.value)] = found.count
              found.append(
                Candidate(
                  value: origin.value, source: source, uses: [use],
                  isInsideFunction: isInsideFunction))
            }
          }
        }
        for inner in node.subgraphs { visit(inner, isInsideFunction: isInsideFunction) }
      }
    }
    visit(model.graph, isInsideFunction: false)
    for function in model.functions { visit(function.body, isInsideFunction: true) }
    return found
  }

  /// Gather also reads shapes; only floats of some rank can be an embedding.
  private static func mayHoldWeights(_ source: TensorData, _ operand: WeightOperand) -> Bool {
    switch source.elementType {
    case .float32, .float16, .bfloat16, .float64: true
    default: operand.role != .lookedUp
    }
  }

  // MARK: Decisions

  private func mayHaveChannels(_ uses: [Use]) -> Bool {
    if settings.operators != nil, uses.contains(where: { $0.operand.role == .lookedUp }) {
      return false
    }
    guard let operators = settings.perChannelOperators else { return settings.perChannel }
    return settings.perChannel
      && uses.allSatisfy { $0.isDirect && operators.contains($0.node.operatorType) }
  }

  /// What the graph says of each candidate; the forecast of activations ends with it.
  private func decisions(_ candidates: [Candidate], in graph: Graph) -> [ConstantPlan.Decision] {
    var forecast = ActivationForecast()
    let uses = settings.dequantizesForOthers ? nil : GraphUses(graph)
    return candidates.map { candidate in
      if let other = uses.flatMap({ otherReader(of: candidate, $0) }) {
        return .stayFloat(.readByOthers(operatorType: other.operatorType))
      }
      return decide(candidate, &forecast)
    }
  }

  /// An operator that reads a candidate, but not as weights.
  private func otherReader(of candidate: Candidate, _ uses: GraphUses) -> Node? {
    let known = Set(candidate.nodes.map(ObjectIdentifier.init))
    var pending = [candidate.value]
    while let value = pending.popLast() {
      for node in uses.readers(of: value) where !known.contains(ObjectIdentifier(node)) {
        guard node.isStandard, ["Cast", "Identity", "Transpose"].contains(node.operatorType) else {
          return node
        }
        pending += node.outputs.compactMap { $0 }
      }
    }
    return nil
  }

  private func decide(
    _ candidate: Candidate, _ forecast: inout ActivationForecast
  ) -> ConstantPlan.Decision {
    let source = candidate.source
    let use = candidate.uses[0]
    if candidate.isInsideFunction { return .stayFloat(.insideFunction) }
    if candidate.value.quantized != nil { return .stayFloat(.alreadyQuantized) }
    if candidate.value.isOverridable { return .stayFloat(.overridable) }
    guard source.elementType.isQuantizableFloat else {
      return .stayFloat(.elementType(source.elementType))
    }
    let rank = source.dimensions.count
    guard rank >= 2 else { return .stayFloat(.rankBelowTwo) }
    guard source.elementCount > 0 else { return .stayFloat(.empty) }
    let wanted = candidate.uses.filter { use in skipping(use.node) == nil }
    guard !wanted.isEmpty else {
      return .stayFloat(.skipped(pattern: skipping(use.node)?.text ?? ""))
    }
    guard isOnTarget(wanted) else { return .stayFloat(.operatorStaysFloat(.notOnTarget)) }
    guard source.elementCount > settings.minWeightSize else {
      return .stayFloat(
        .notAboveMinSize(elements: source.elementCount, limit: settings.minWeightSize))
    }
    var axis = wanted[0].axis ?? 0
    if hasFewRows(wanted, source, axis: axis) {
      guard settings.perChannelOperators == nil else {
        return .stayFloat(.fewRows(source.dimensions[axis]))
      }
      axis = rank - 1
    }
    let channels = source.dimensions[axis]
    if wanted.allSatisfy(\.operand.hasChannelFilter), channels <= settings.minWeightChannel {
      return .stayFloat(
        .notAboveMinChannel(channels: channels, limit: settings.minWeightChannel))
    }
    let perChannel = source.elementCount / channels
    let limit = 256 / (32 - settings.bits)
    if settings.perChannel, settings.biasCorrection, perChannel <= limit {
      return .stayFloat(.tooFewPerChannel(elements: perChannel, limit: limit))
    }
    let isSummed = wanted.contains { $0.operand.role == .summed }
    let kernelAxis = wanted[0].isDirect ? wanted[0].operand.kernelAxis : nil
    let layout = ChannelLayout(dimensions: source.dimensions, axis: axis, kernelAxis: kernelAxis)
    let means =
      isSummed && settings.roundMethod == .squant ? inputMeans(of: wanted, layout, &forecast) : nil
    let ranges = ranges(layout, hasKernel: kernelAxis != nil)
    var storage = QuantizedStorage(
      bits: settings.bits, elementType: settings.storedType(bits: settings.bits),
      axis: mayHaveChannels(wanted) ? axis : nil)
    storage.hasOffsets =
      settings.hasOffsets && settings.biasCorrection && isSummed && storage.axis != nil
      && channels > 1 && perChannel * settings.bits >= WeightPlanner.offsetWorth
    storage.divide(source.dimensions, by: settings.groupSize, for: wanted.map(\.node))
    return .quantize(
      WeightRecipe(
        storage: storage, layout: layout,
        range: settings.bits > 6 ? ranges.fine : ranges.coarse,
        round: isSummed && storage.block == nil ? settings.roundMethod : .nearest,
        correctsScale: settings.biasCorrection,
        shapesNoise: settings.rangeMethod == nil && settings.roundMethod == .squant
          && wanted.allSatisfy { $0.isDirect && FilterBank.isFilterBank($0.node, weights: source) },
        inputMeans: storage.block == nil ? means : nil, weighsScales: true, ranges: ranges))
  }

  /// Whether the target dequantizes weights for all these uses; tables only where matrix products
  /// alone read what is looked up.
  private func isOnTarget(_ uses: [Use]) -> Bool {
    guard let operators = settings.operators else { return true }
    return uses.allSatisfy { use in
      let isProductOnly =
        !use.readers.isEmpty
        && use.readers.allSatisfy { ["Gemm", "MatMul"].contains($0.operatorType) }
      return operators.contains(use.node.operatorType)
        && (use.operand.role != .lookedUp || isProductOnly)
    }
  }

  /// Whether this is a lookup table whose scales are better along a row than one for each. A row of
  /// a table of few (a token type, a language) is added everywhere, so that one large element must
  /// not coarsen the rest of it.
  private func hasFewRows(_ uses: [Use], _ source: TensorData, axis: Int) -> Bool {
    settings.perChannel && uses.allSatisfy { $0.operand.role == .lookedUp }
      && axis < source.dimensions.count - 1 && source.dimensions[axis] <= WeightPlanner.fewRows
  }

  /// Bits of a channel's integers from which on an offset, which takes 64 with its alignment, is worth
  /// its place.
  static let offsetWorth = 128

  /// The most rows of a table that has scales along its rows rather than one for each.
  static let fewRows = 16

  /// Up to 6 bits a range with less squared error pays, but not in convolutions of one point, whose
  /// inputs are mostly positive: there the cut weights' errors have one sign and add up.
  private func ranges(_ layout: ChannelLayout, hasKernel: Bool) -> WeightRecipe.RangeChoice {
    if let method = settings.rangeMethod { return .init(fine: method, coarse: method) }
    return .init(
      fine: .fitted, coarse: hasKernel && layout.kernel == 1 ? .fitted : .meanSquaredError)
  }

  /// What is known of the inputs' means, for convolutions of one point and matrix products, where
  /// the range is left to the planner too.
  private func inputMeans(
    of uses: [Use], _ layout: ChannelLayout, _ forecast: inout ActivationForecast
  ) -> [Int32]? {
    guard settings.rangeMethod == nil, uses.count == 1, uses[0].isDirect,
      uses[0].operand.input == 1, uses[0].operand.kernelAxis == nil || layout.kernel == 1,
      let input = uses[0].node.inputs[0]
    else { return nil }
    let means = forecast.channels(of: input)?.relativeMeans
    return means?.count == layout.elementsPerChannel ? means : nil
  }

  private func skipping(_ node: Node) -> NodePattern? {
    settings.skipped.first { $0.matches(node) }
  }

  // MARK: Scan

  /// Weights of models up to this size stay resident between the scan and the rounding, where nothing
  /// is looked for between.
  public static let keptPageLimit = 128 << 20

  /// The largest magnitude of each tensor (not finite if any element isn't).
  private func scan(_ sources: [TensorData?]) -> [Float?] {
    let chunk = 1 << 20
    var tasks: [(tensor: Int, bytes: Bytes)] = []
    for (index, source) in sources.enumerated() {
      guard let bytes = source?.packed else { continue }
      var start = 0
      while start < bytes.count {
        tasks.append((index, bytes[start..<min(bytes.count, start + chunk)]))
        start += chunk
      }
    }
    let total = tasks.reduce(0) { $0 + $1.bytes.count }
    let keepsPages = settings.bits > 0 && total <= WeightPlanner.keptPageLimit
    let found = pool.map(tasks.count) { [tasks] index in
      let task = tasks[index]
      let largest = sources[task.tensor].map { source in
        FloatReader.largestMagnitude(task.bytes, source.elementType)
      }
      if !keepsPages { task.bytes.release() }
      return largest ?? 0
    }
    var largest = [Float?](repeating: nil, count: sources.count)
    for (task, value) in zip(tasks, found) {
      largest[task.tensor] = value.isFinite ? max(largest[task.tensor] ?? 0, value) : .infinity
    }
    return largest
  }
}
