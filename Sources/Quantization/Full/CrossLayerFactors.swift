import ModelGraph

/// The factors of all activations that operators with one scale for their weights hand to each other.
///
/// They are chosen in the graph's order, each given those of its maker's input.
struct CrossLayerFactors {
  private let makers: [ObjectIdentifier: IntegerOperation]
  private let readers: [ObjectIdentifier: [IntegerOperation]]
  private let facts: [String: ActivationFacts]
  private(set) var choices: [ObjectIdentifier: CrossLayerEqualization.Choice] = [:]

  /// Chooses for these activations, in the graph's order.
  ///
  /// - Precondition: an operator makes each, and operators alone read it.
  /// - Complexity: O(weights).
  init(
    of values: [Value], makers: [ObjectIdentifier: IntegerOperation],
    readers: [ObjectIdentifier: [IntegerOperation]], facts: [String: ActivationFacts]
  ) {
    self.makers = makers
    self.readers = readers
    self.facts = facts
    for value in values {
      choices[ObjectIdentifier(value)] = equalization(of: value)?.choice()
    }
  }

  private func equalization(of value: Value) -> CrossLayerEqualization? {
    guard let facts = facts[value.name], let maker = makers[ObjectIdentifier(value)],
      let made = weights(of: maker), made.rows.outputs == facts.channelMinima.count
    else { return nil }
    var found: [CrossLayerEqualization.Reader] = []
    for operation in readers[ObjectIdentifier(value)] ?? [] {
      guard (operation.kernelAxis == nil) == (maker.kernelAxis == nil),
        let read = weights(of: operation),
        read.rows.inputs * read.rows.groups == facts.channelMinima.count
      else { return nil }
      found.append(CrossLayerFactors.reader(read))
    }
    return CrossLayerEqualization(
      lower: facts.channelMinima.map { min(0, max($0, facts.lower)) },
      upper: facts.channelMaxima.map { max(0, min($0, facts.upper)) },
      doubts: facts.rangeDoubts, power: facts.channelPower, limit: limit(maker),
      maker: self.maker(maker, made), readers: found)
  }

  private typealias Weights = (rows: WeightRows, values: [Float])

  private func weights(of operation: IntegerOperation) -> Weights? {
    guard let source = operation.weights.constant, let values = source.float32Values else {
      return nil
    }
    return (WeightRows(operation, source.dimensions), values)
  }

  private func maker(
    _ operation: IntegerOperation, _ weights: Weights
  ) -> CrossLayerEqualization.Maker {
    let rows = weights.rows
    let factors = choices[ObjectIdentifier(operation.input)]?.factors
    let power = facts[operation.input.name]?.channelPower ?? []
    var largest = [Float](repeating: 0, count: rows.outputs)
    var energy = [Double](repeating: 0, count: rows.outputs)
    for output in 0..<rows.outputs {
      rows.forEach(output) { element, input in
        let factor = factors?[input] ?? 1
        largest[output] = max(largest[output], abs(weights.values[element]) / factor)
        let square = input < power.count ? power[input] : 1
        energy[output] += Double(factor) * Double(factor) * square
      }
    }
    return .init(largest: largest, energy: energy)
  }

  private static func reader(_ weights: Weights) -> CrossLayerEqualization.Reader {
    let rows = weights.rows
    let channels = rows.inputs * rows.groups
    var largest = [Float](repeating: 0, count: channels)
    var squares = [Double](repeating: 0, count: channels)
    var results = [Double](repeating: 0, count: channels)
    for output in 0..<rows.outputs {
      rows.forEach(output) { element, input in
        let weight = abs(weights.values[element])
        largest[input] = max(largest[input], weight)
        squares[input] += Double(weight) * Double(weight)
        results[input] += 1
      }
    }
    return .init(largest: largest, squares: squares, results: results)
  }

  /// The lowest of the limits that vanish in the result's range.
  private func limit(_ maker: IntegerOperation) -> Float? {
    maker.absorbed.filter { $0.operatorType == "Clip" }
      .compactMap { ElementwiseFunction.limits(of: $0).map { Float($0.upperBound) } }
      .min().flatMap { $0.isFinite && $0 < .greatestFiniteMagnitude ? $0 : nil }
  }
}
