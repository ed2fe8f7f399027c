import ModelGraph
import Support

/// Writes one operator of ONNX's in the format's vocabulary.
typealias OperatorTranslation =
  @Sendable (_ translation: Translation, _ node: Node) throws(Failure) -> Void

/// Which operators of ONNX's can be translated, by name.
enum OperatorTable {
  static let translations: [String: OperatorTranslation] = families.reduce(into: [:]) {
    $0.merge($1) { first, _ in first }
  }

  /// Whether an operator can be translated, or written in others that can.
  static func has(_ name: String) -> Bool {
    translations[name] != nil || OperatorRewriting.rewrites[name] != nil
  }

  private static let families = [
    Activations.translations, Choices.translations, Elementwise.translations,
    Convolutions.translations,
    Pools.translations, Products.translations, Normalizations.translations,
    Reductions.translations, Shapes.translations, Selections.translations, Joins.translations,
    Resampling.translations, Recurrences.translations, Searches.translations,
  ]
}

extension Node {
  /// An input that has to be there.
  func operand(_ index: Int) throws(Failure) -> Value {
    guard let value = operandIfAny(index) else { throw refused("input \(index) is missing") }
    return value
  }

  /// An input, if it is there.
  func operandIfAny(_ index: Int) -> Value? { index < inputs.count ? inputs[index] : nil }

  /// Says that the node has no form in the format.
  func refused(_ reason: String) -> Failure {
    Failure(
      .operatorUnsupported,
      "the node '\(displayName)' (\(operatorType)) has no form in a .ms file", notes: [reason],
      help: "use --saveType=ONNX")
  }
}

extension Translation {
  /// A constant of zeros.
  func zeros(_ extents: [Int], for node: Node) throws(Failure) -> Int {
    guard let count = TensorData.elementCount(of: extents), count < 1 << 28 else {
      throw node.refused("it would need zeros of the shape \(extents)")
    }
    return floats(Array(repeating: 0, count: count), dimensions: extents)
  }

  /// The whole integers of an input.
  func integers(_ node: Node, _ index: Int) -> [Int64]? {
    node.operandIfAny(index).flatMap(constant)?.integers
  }

  /// An order of axes for operators that work element by element.
  ///
  /// That of the first variable that isn't in ONNX's own, if the others can be had in it; ONNX's
  /// where one of the others is in it, unless channels are last.
  func commonOrder(_ values: [Value]) -> AxisOrder? {
    let variables = values.filter { constant($0) == nil && rank($0) != 0 }
    guard let order = variables.lazy.compactMap({ self.order(of: $0) }).first else { return nil }
    let fits = values.allSatisfy { value in
      if let data = constant(value) { return data.dimensions.count <= order.rank }
      let rank = rank(value) ?? self.order(of: value)?.rank
      return rank == order.rank || rank == 0
    }
    if !fits { return nil }
    let isShared = variables.allSatisfy { self.order(of: $0) == order }
    return isShared || order == .channelsLast ? order : nil
  }

  /// The tensor of an operand of an operator that works element by element, whose result is in
  /// `order`.
  func operand(_ value: Value, in order: AxisOrder?) throws(Failure) -> Int {
    guard let order, !order.isPlain else { return try plain(value) }
    guard let data = constant(value) else {
      return facts.of(value).rank == 0 ? try plain(value) : try tensor(value, order)
    }
    if data.elementCount == 1 { return try plain(value) }
    let missing = order.rank - data.dimensions.count
    guard missing > 0 else { return try tensor(value, order) }
    let extents = Array(repeating: 1, count: missing) + data.dimensions
    let whole = TensorData(
      elementType: data.elementType, dimensions: extents, storage: data.storage)
    return add(try Constants.tensor(whole, name: unique(value.name), order: order))
  }
}
