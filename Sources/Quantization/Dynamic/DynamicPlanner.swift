import GraphPasses
import ModelGraph
import Operators
import Support

/// Decides which matrix products run in integers with activations that are quantized while the
/// model runs.
///
/// Those are MatMul and Gemm of a float32 activation and two-dimensional constant weights. Products
/// of two activations stay float: both would have to be quantized each time, and attention's are
/// small. Convolutions and LSTMs stay float unless the scope has them: integers seldom pay there.
/// Tables that are only looked up become integers and are made float row by row.
public struct DynamicPlanner {
  private let settings: WeightQuantizationSettings
  private let strategy: DynamicStrategy
  private let target: DynamicTarget
  let scope: DynamicScope
  private let pool: WorkerPool

  /// A planner; of `settings`, rounding, correction and skipped nodes count. `pool` reads weights.
  public init(
    _ settings: WeightQuantizationSettings, _ strategy: DynamicStrategy,
    for target: DynamicTarget = .onnx, scope: DynamicScope = .init(), pool: WorkerPool
  ) {
    self.scope = scope
    self.settings = settings
    self.strategy = strategy
    self.target = target
    self.pool = pool
  }

  /// The plan for a model.
  ///
  /// - Parameter activations: what samples showed of activations, by name.
  /// - Complexity: O(nodes + bytes of weights).
  public func plan(_ model: Model, activations: [String: ActivationFacts] = [:]) -> DynamicPlan {
    var unfiltered = settings
    unfiltered.biasCorrection = false
    unfiltered.dequantizesForOthers = target.dequantizesForOthers
    let constants = WeightPlanner(unfiltered, pool: pool).plan(model).constants
    var known: [ObjectIdentifier: ConstantPlan] = [:]
    for constant in constants { known[ObjectIdentifier(constant.value)] = constant }
    var plan = DynamicPlan()
    var axes: [ObjectIdentifier: Int] = [:]
    /// Whether operators before this one agree on the axis of the weights' output channels.
    func agree(_ axis: Int, _ weights: [Value]) -> Bool {
      guard weights.allSatisfy({ axes[ObjectIdentifier($0), default: axis] == axis }) else {
        return false
      }
      for value in weights { axes[ObjectIdentifier(value)] = axis }
      return true
    }
    for node in model.graph.nodes where DynamicPlanner.hasWeights(node) {
      switch decide(node, known) {
      case .failure(let problem): plan.floats.append((node, problem.reason))
      case .success(.product(let product)):
        guard agree(product.isTransposed ? 0 : 1, [product.weights]) else {
          plan.floats.append((node, .otherLayout))
          continue
        }
        plan.products.append(product)
      case .success(.convolution(let convolution)):
        guard agree(0, [convolution.weights]) else {
          plan.floats.append((node, .otherLayout))
          continue
        }
        plan.convolutions.append(convolution)
      case .success(.recurrence(let recurrence)):
        guard agree(1, [recurrence.weights, recurrence.recurrence]) else {
          plan.floats.append((node, .otherLayout))
          continue
        }
        plan.recurrences.append(recurrence)
      }
    }
    if !target.dequantizesForOthers {
      for weights in leaveShared(&plan, known) { axes[weights] = nil }
    }
    for inner in model.graph.allGraphs.dropFirst() {
      for node in inner.nodes where DynamicPlanner.hasWeights(node) {
        plan.floats.append((node, .nestedGraph))
      }
    }
    let sources = smooth(&plan, known, activations, GraphUses(model.graph))
    plan.lookups = lookups(model.graph, known, axes)
    let tables = Set(plan.lookups.map { ObjectIdentifier($0.weights) })
    let reasons = Dictionary(
      plan.floats.map { (ObjectIdentifier($0.node), $0.reason) }
    ) { first, _ in first }
    plan.weights = QuantizationPlan(
      constants: constants.map { constant in
        let identity = ObjectIdentifier(constant.value)
        return revised(
          constant, axis: axes[identity], isTable: tables.contains(identity),
          source: sources[identity], reasons)
      })
    return plan
  }

  /// Operators that have learned weights or multiply matrices.
  private static func hasWeights(_ node: Node) -> Bool {
    !WeightOperand.operands(of: node).isEmpty && node.operatorType != "Gather"
  }

  private struct Refusal: Error { let reason: FloatOperatorReason }

  /// An operator that gets integers.
  private enum Chosen {
    case product(DynamicProduct)
    case convolution(DynamicConvolution)
    case recurrence(DynamicRecurrence)
  }

  // MARK: Operators

  private func decide(
    _ node: Node, _ known: [ObjectIdentifier: ConstantPlan]
  ) -> Result<Chosen, Refusal> {
    func refuse(_ reason: FloatOperatorReason) -> Result<Chosen, Refusal> {
      .failure(Refusal(reason: reason))
    }
    if let pattern = settings.skipped.first(where: { $0.matches(node) }) {
      return refuse(.skipped(pattern: pattern.text))
    }
    if node.isONNX("Conv") {
      if let reason = obstacle(ofConvolution: node, known) { return refuse(reason) }
      return node.inputs[1].map { .success(.convolution(.init(node: node, weights: $0))) }
        ?? refuse(.noConstantWeights)
    }
    if node.isONNX("LSTM") {
      if let reason = obstacle(ofRecurrence: node, known) { return refuse(reason) }
      guard let weights = node.inputs[1], let recurrence = node.inputs[2] else {
        return refuse(.noConstantWeights)
      }
      return .success(
        .recurrence(.init(node: node, weights: weights, recurrence: recurrence)))
    }
    guard ["MatMul", "Gemm"].contains(node.operatorType) else { return refuse(.noDynamicKernel) }
    guard node.inputs.count > 1, let right = node.inputs[1],
      let (weights, isTurned) = DynamicPlanner.weights(right), let source = weights.constant
    else { return refuse(.noConstantWeights) }
    guard let input = node.inputs[0], FullPlanner.isActivation(input) else {
      return refuse(.inputNotFloat)
    }
    guard source.dimensions.count == 2 else { return refuse(.weightAxes) }
    guard source.elementType == .float32 else {
      return refuse(.weights(.elementType(source.elementType)))
    }
    guard FullPlanner.hasUnitFactors(node) else { return refuse(.factors) }
    guard let constant = known[ObjectIdentifier(weights)] else {
      return refuse(.noConstantWeights)
    }
    if case .stayFloat(let reason) = constant.decision { return refuse(.weights(reason)) }
    let isTransposed = node.operatorType == "Gemm" && (node.int("transB") ?? 0) != 0
    return .success(
      .product(
        DynamicProduct(node: node, weights: weights, isTransposed: isTransposed != isTurned)))
  }

  /// The constant behind an operand, and whether a Transpose turns it.
  private static func weights(_ value: Value) -> (value: Value, isTurned: Bool)? {
    if value.constant != nil { return (value, false) }
    guard let node = value.producer, node.isONNX("Transpose"),
      let source = node.inputs.first ?? nil,
      source.constant?.dimensions.count == 2, node.ints("perm") ?? [1, 0] == [1, 0]
    else { return nil }
    return (source, true)
  }

  /// Leaves products float whose weights an operator reads that stays float, or a lookup that takes
  /// their scales to be those of other channels.
  ///
  /// - Returns: those weights.
  private func leaveShared(
    _ plan: inout DynamicPlan, _ known: [ObjectIdentifier: ConstantPlan]
  ) -> Set<ObjectIdentifier> {
    let integers = Set(plan.products.map { ObjectIdentifier($0.node) })
    func isShared(_ product: DynamicProduct) -> Bool {
      let readers = known[ObjectIdentifier(product.weights)]?.nodes ?? []
      return readers.contains { reader in
        guard reader.operatorType == "Gather" else {
          return !integers.contains(ObjectIdentifier(reader))
        }
        return strategy.scalesChannels
          && (reader.int("axis") ?? 0) != (product.isTransposed ? 0 : 1)
      }
    }
    let shared = plan.products.filter(isShared)
    plan.products.removeAll(where: isShared)
    plan.floats += shared.map { ($0.node, .sharedWeights) }
    return Set(shared.map { ObjectIdentifier($0.weights) })
  }

  // MARK: Constants

  /// What becomes of a constant, given the axis of its output channels, if operators in integers read
  /// it.
  private func revised(
    _ constant: ConstantPlan, axis: Int?, isTable: Bool, source: TensorData?,
    _ reasons: [ObjectIdentifier: FloatOperatorReason]
  ) -> ConstantPlan {
    guard case .quantize = constant.decision else { return constant }
    func decided(_ decision: ConstantPlan.Decision) -> ConstantPlan {
      ConstantPlan(
        value: constant.value, nodes: constant.nodes, source: source ?? constant.source,
        decision: decision)
    }
    if let axis { return decided(.quantize(recipe(constant.source, axis: axis))) }
    if isTable { return decided(.quantize(tableRecipe(constant.source))) }
    let others = constant.nodes.filter { $0.operatorType != "Gather" }
    guard let first = others.first else { return lookedUp(constant) }
    return decided(
      .stayFloat(.operatorStaysFloat(reasons[ObjectIdentifier(first)] ?? .noConstantWeights)))
  }

  /// What becomes of a table that is looked up but not row by row: it stays float where only rows
  /// can have scales.
  private func lookedUp(_ constant: ConstantPlan) -> ConstantPlan {
    guard target.scalesTableRowsOnly, case .quantize(let recipe) = constant.decision,
      recipe.storage.axis != 0
    else { return constant }
    return ConstantPlan(
      value: constant.value, nodes: constant.nodes, source: constant.source,
      decision: .stayFloat(.fewRows(constant.source.dimensions[0])))
  }

  /// Evens out activations: all that samples were seen of, and else those with one scale of which
  /// weights alone tell enough. Weights that other operators read stay as they are.
  ///
  /// - Returns: the weights with their factors, by constant.
  private func smooth(
    _ plan: inout DynamicPlan, _ known: [ObjectIdentifier: ConstantPlan],
    _ activations: [String: ActivationFacts], _ uses: GraphUses
  ) -> [ObjectIdentifier: TensorData] {
    var sources: [ObjectIdentifier: TensorData] = [:]
    let inputs = sharedInputs(plan.products, known)
    let evidence = inputs.map { input, _ in
      strategy.scalesRows || activations[input.name] != nil
        ? nil : DynamicSmoothing.evidence(of: input)
    }
    let foretold = pool.map(inputs.count) { evidence[$0]?.divisors() }
    for ((input, places), foretold) in zip(inputs, foretold) {
      let products = places.map { plan.products[$0] }
      var divisors = foretold
      if let facts = activations[input.name] {
        let isFree = ActivationDivision.isFree(
          input, for: products.map(\.node), facts.channelMinima.count, uses)
        divisors = SampledSmoothing.divisors(
          of: facts, for: products, scalesRows: strategy.scalesRows, isFree: isFree)
      }
      guard let divisors,
        products.allSatisfy({ $0.inputCount == divisors.count })
      else { continue }
      for place in places { plan.products[place].divisors = divisors }
    }
    let places = plan.products.indices.filter { plan.products[$0].divisors != nil }
    let work = places.map { place in
      let product = plan.products[place]
      let factors = product.divisors?.map(Double.init) ?? []
      return (product.weights.constant, factors, product.isTransposed ? 1 : 0)
    }
    let multiplied = pool.map(work.count) { number in
      let (source, factors, axis) = work[number]
      return source?.dimensions.count == 2 && source?.dimensions[axis] == factors.count
        ? source?.multiplied(by: factors, along: axis) : nil
    }
    for (place, source) in zip(places, multiplied) {
      if source == nil { plan.products[place].divisors = nil }
      sources[ObjectIdentifier(plan.products[place].weights)] = source
    }
    return sources
  }

  /// The activations of products whose weights nothing else reads, with the places of those products,
  /// in the graph's order.
  private func sharedInputs(
    _ products: [DynamicProduct], _ known: [ObjectIdentifier: ConstantPlan]
  ) -> [(input: Value, places: [Int])] {
    var inputs: [(input: Value, places: [Int])] = []
    var numbers: [ObjectIdentifier: Int] = [:]
    for (place, product) in products.enumerated() {
      guard let input = product.node.inputs[0], product.node.inputs[1] === product.weights,
        known[ObjectIdentifier(product.weights)]?.nodes.count == 1
      else { continue }
      if let number = numbers[ObjectIdentifier(input)] {
        inputs[number].places.append(place)
      } else {
        numbers[ObjectIdentifier(input)] = inputs.count
        inputs.append((input, [place]))
      }
    }
    return inputs
  }

  /// Gathers of rows of float32 tables that no product reads along the other axis, nor anything else
  /// as floats.
  private func lookups(
    _ graph: Graph, _ known: [ObjectIdentifier: ConstantPlan], _ axes: [ObjectIdentifier: Int]
  ) -> [(node: Node, weights: Value)] {
    graph.nodes.compactMap { node in
      guard node.isONNX("Gather"), (node.int("axis") ?? 0) == 0, node.inputs.count > 1,
        let table = node.inputs[0], let constant = known[ObjectIdentifier(table)],
        case .quantize(let recipe) = constant.decision, constant.source.elementType == .float32,
        constant.source.dimensions.count == 2,
        axes[ObjectIdentifier(table)] ?? (recipe.storage.axis ?? 1) == 0,
        axes[ObjectIdentifier(table)] != nil
          || constant.nodes.allSatisfy({ $0.isONNX("Gather") })
      else { return nil }
      return (node, table)
    }
  }

  /// A scale for each row, whatever the strategy: no sum needs them alike.
  private func tableRecipe(_ source: TensorData) -> WeightRecipe {
    var recipe = WeightRecipe(
      storage: QuantizedStorage(bits: 8, elementType: .int8, axis: 0),
      layout: ChannelLayout(dimensions: source.dimensions, axis: 0, kernelAxis: nil),
      range: .maxMin, round: .nearest, correctsScale: settings.biasCorrection)
    recipe.isSymmetric = !target.takesTableZeroPoints
    return recipe
  }

  private func recipe(_ source: TensorData, axis: Int) -> WeightRecipe {
    let isMatrix = source.dimensions.count == 2
    let layout = ChannelLayout(
      dimensions: source.dimensions, axis: axis, kernelAxis: isMatrix || axis > 0 ? nil : 2)
    var recipe = WeightRecipe(
      storage: QuantizedStorage(
        bits: 8, elementType: .int8, axis: strategy.scalesChannels || !isMatrix ? axis : nil),
      layout: layout, range: .maxMin, round: settings.roundMethod,
      correctsScale: settings.biasCorrection)
    recipe.isSymmetric = true
    recipe.pairLimit = target.pairSumLimit.map {
      PairLimit(sum: $0, inputs: layout.elementsPerChannel, kernel: 1, weightOfCuts: 4)
    }
    return recipe
  }
}
