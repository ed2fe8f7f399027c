import Glibc
import GraphPasses
import ModelGraph

/// How each quantized activation is represented: its integers' grid and its channels' factors.
struct ActivationForms {
  /// One activation's representation.
  struct Form: Sendable {
    /// The integers.
    let grid: AffineGrid
    /// The factor of each channel; nil without.
    let factors: [Float]?
  }

  private let plan: FullPlan
  private let settings: FullQuantizationSettings
  private let facts: [String: ActivationFacts]
  private let uses: GraphUses
  private let saturation: Saturation
  private var forms: [ObjectIdentifier: Form] = [:]
  private var crossLayer: [ObjectIdentifier: CrossLayerEqualization.Choice] = [:]
  private var makers: [ObjectIdentifier: IntegerOperation] = [:]
  private var readers: [ObjectIdentifier: [IntegerOperation]] = [:]

  /// Activations with fewer elements a channel than this keep one scale: too little is known of
  /// each channel.
  private static let fewElements = 256

  /// Chooses all forms.
  ///
  /// - Complexity: O(weights of readers + nodes).
  init(
    _ plan: FullPlan, _ settings: FullQuantizationSettings, facts: [String: ActivationFacts],
    graph: Graph
  ) {
    self.plan = plan
    self.settings = settings
    self.facts = facts
    uses = GraphUses(graph)
    saturation = Saturation(uses)
    for operation in plan.operations {
      readers[ObjectIdentifier(operation.input), default: []].append(operation)
      if operation.quantizesOutput { makers[ObjectIdentifier(operation.output)] = operation }
    }
    if !settings.perChannel, settings.smoothAlpha == nil {
      crossLayer =
        CrossLayerFactors(
          of: plan.groups.compactMap(\.soleValue).filter(isEqualizable), makers: makers,
          readers: readers, facts: facts
        ).choices
    }
    for group in plan.groups {
      let form =
        settings.smoothAlpha.map { smoothed(group, alpha: $0) ?? plain(group) }
        ?? equalized(group) ?? plain(group)
      for value in group.values { forms[ObjectIdentifier(value)] = form }
    }
  }

  /// The form of an activation.
  subscript(value: Value) -> Form? { forms[ObjectIdentifier(value)] }

  /// The nodes whose weights hold the factors of an activation.
  func equalizedNodes(of value: Value) -> Set<ObjectIdentifier> {
    let identity = ObjectIdentifier(value)
    var nodes = Set((readers[identity] ?? []).map { ObjectIdentifier($0.node) })
    if let maker = makers[identity] { nodes.insert(ObjectIdentifier(maker.node)) }
    return nodes
  }

  // MARK: One scale

  private func plain(_ group: ActivationGroup) -> Form {
    let ranges = group.values.compactMap { value in
      facts[value.name].map { needed(value, $0) }
    }
    return Form(
      grid: grid(ranges.map(\.lowerBound).min() ?? 0, ranges.map(\.upperBound).max() ?? 0),
      factors: nil)
  }

  private func grid(_ lower: Float, _ upper: Float) -> AffineGrid {
    let integers = settings.profile.activationIntegers
    let magnitude = max(abs(lower), abs(upper))
    let isSymmetric = settings.profile.hasSymmetricActivations
    return AffineGrid(
      covering: isSymmetric ? -magnitude : lower, isSymmetric ? magnitude : upper,
      lowest: integers.lowerBound, highest: integers.upperBound)
  }

  /// The range of a value that matters to those who read its quantized form.
  private func needed(_ value: Value, _ facts: ActivationFacts) -> ClosedRange<Float> {
    let range = min(facts.lower, facts.upper)...max(facts.lower, facts.upper)
    guard case .all = plan.readers[ObjectIdentifier(value)] else { return range }
    return saturation.needed(of: value, in: range)
  }

  // MARK: A factor for each channel

  /// Moves outliers of a matrix product's input into its weights: channels are divided by
  /// `max|x|^alpha / max|w|^(1 - alpha)`, from 1e-5 to 100 (SmoothQuant, arXiv 2211.10438, equation
  /// 4), with the largest weight over all products that read the value.
  private func smoothed(_ group: ActivationGroup, alpha: Float) -> Form? {
    guard alpha > 0, alpha < 1, let value = group.soleValue,
      makers[ObjectIdentifier(value)] == nil, let facts = facts[value.name],
      facts.channelMinima.count > 1,
      let operations = readers[ObjectIdentifier(value)],
      operations.allSatisfy({
        ["Gemm", "MatMul"].contains($0.node.operatorType)
          && $0.weights.constant?.dimensions.count == 2
      }), let readers = summingReaders(of: value, channels: facts.channelMinima.count)
    else { return nil }
    let reaches = zip(facts.channelMinima, facts.channelMaxima).map { max(abs($0), abs($1)) }
    let rows = readers.flatMap(\.largest)
    let factors = reaches.indices.map { channel -> Float in
      let weight = rows.reduce(0) { max($0, $1[channel]) }
      let divisor = powf(reaches[channel], alpha) / powf(weight, 1 - alpha)
      return divisor.isNaN ? 1 : 1 / min(max(divisor, 1e-5), 100)
    }
    let lower = zip(facts.channelMinima, factors).map { $0 * $1 }.min() ?? 0
    let upper = zip(facts.channelMaxima, factors).map { $0 * $1 }.max() ?? 0
    return Form(grid: grid(min(0, lower), max(0, upper)), factors: factors)
  }

  private func equalized(_ group: ActivationGroup) -> Form? {
    guard let value = group.soleValue else { return nil }
    if let choice = crossLayer[ObjectIdentifier(value)] {
      return Form(grid: grid(choice.lower, choice.upper), factors: choice.factors)
    }
    guard settings.perChannel, settings.profile.scalesActivationChannels || isFree(value),
      isKnown(value), let facts = facts[value.name],
      let readers = summingReaders(of: value, channels: facts.channelMinima.count)
    else { return nil }
    if let maker = makers[ObjectIdentifier(value)] {
      guard maker.weights.constant?.dimensions[maker.channelAxis] == facts.channelMinima.count,
        !maker.absorbed.contains(where: { $0.operatorType == "Clip" })
      else { return nil }
    }
    let needed = needed(value, facts)
    let equalization = Equalization(
      lower: facts.channelMinima.map { min(0, max($0, needed.lowerBound)) },
      upper: facts.channelMaxima.map { max(0, min($0, needed.upperBound)) },
      doubts: facts.rangeDoubts,
      power: facts.channelPower, readers: readers, isFree: isFree(value))
    guard let found = equalization.factors() else { return nil }
    return Form(grid: grid(found.lower, found.upper), factors: found.values)
  }

  /// Whether enough is known of each channel.
  private func isKnown(_ value: Value) -> Bool {
    guard let facts = facts[value.name] else { return false }
    return facts.channelMinima.count > 1
      && facts.elementsPerChannel >= ActivationForms.fewElements
  }

  private func isEqualizable(_ value: Value) -> Bool { isFree(value) && isKnown(value) }

  /// Whether factors cost nothing when the model runs: an operator makes the value, and operators
  /// alone read it.
  private func isFree(_ value: Value) -> Bool {
    let operations = readers[ObjectIdentifier(value)] ?? []
    return makers[ObjectIdentifier(value)] != nil && !uses.isOutput(value)
      && uses.readers(of: value).count == operations.count
  }

  /// The integer readers that sum over channels; nil where one cannot take factors.
  private func summingReaders(of value: Value, channels: Int) -> [Equalization.SummingReader]? {
    let operations = readers[ObjectIdentifier(value)] ?? []
    let maker = makers[ObjectIdentifier(value)]
    let all = operations + (maker.map { [$0] } ?? [])
    guard Set(all.map { $0.kernelAxis != nil }).count <= 1 else { return nil }
    var found: [Equalization.SummingReader] = []
    for operation in operations {
      guard let source = operation.weights.constant, let weights = source.float32Values else {
        return nil
      }
      let rows = WeightRows(operation, source.dimensions)
      guard rows.inputs * rows.groups == channels else { return nil }
      if rows.inputs == 1 { continue }
      guard rows.groups == 1 else { return nil }
      var squares = [Double](repeating: 0, count: channels)
      var largest: [[Float]] = []
      for output in 0..<rows.outputs {
        var row = [Float](repeating: 0, count: channels)
        rows.forEach(output) { element, input in
          let weight = abs(weights[element])
          squares[input] += Double(weight) * Double(weight)
          row[input] = max(row[input], weight)
        }
        largest.append(row)
      }
      found.append(.init(squares: squares, largest: largest))
    }
    return found
  }
}
