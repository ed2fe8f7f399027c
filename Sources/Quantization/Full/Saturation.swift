import GraphPasses
import ModelGraph

/// Finds where an activation may be cut without any effect, because all that is computed from it
/// there is constant: hard-swish and hard-sigmoid below -3, a Clip outside its limits, however they
/// are written out.
struct Saturation {
  private let uses: GraphUses

  init(_ uses: GraphUses) { self.uses = uses }

  /// Points at which functions are looked at.
  private static let pointCount = 2049
  /// Nodes that one function may consist of.
  private static let nodeLimit = 24

  /// The part of a range outside which all readers of the value are constant; the whole range where
  /// any reader is not a function of one element.
  ///
  /// - Complexity: O(nodes of the functions), times 2,049 points.
  func needed(of value: Value, in range: ClosedRange<Float>) -> ClosedRange<Float> {
    guard range.lowerBound < range.upperBound, let exits = functions(of: value, in: range),
      !exits.isEmpty
    else { return range }
    let last = Saturation.pointCount - 1
    let first = exits.map { Saturation.constantPrefix($0) }.min() ?? 0
    let end = exits.map { Saturation.constantPrefix($0.reversed()) }.min() ?? 0
    guard first + end < last else { return range }
    return Saturation.point(first, range)...Saturation.point(last - end, range)
  }

  private static func point(_ index: Int, _ range: ClosedRange<Float>) -> Float {
    index == pointCount - 1
      ? range.upperBound
      : range.lowerBound + (range.upperBound - range.lowerBound) * Float(index)
        / Float(pointCount - 1)
  }

  /// How many points from the first on have the first's value, less one.
  private static func constantPrefix(_ values: some Sequence<Double>) -> Int {
    var iterator = values.makeIterator()
    guard let first = iterator.next() else { return 0 }
    var count = 0
    while let next = iterator.next(), abs(next - first) <= 1e-9 { count += 1 }
    return count
  }

  /// What leaves the functions of one element after the value, at every point of its range; nil if
  /// the value itself does.
  private func functions(of value: Value, in range: ClosedRange<Float>) -> [[Double]]? {
    let points = (0..<Saturation.pointCount).map { Double(Saturation.point($0, range)) }
    var known: [ObjectIdentifier: [Double]] = [ObjectIdentifier(value): points]
    var waiting = [value]
    var exits: [[Double]] = []
    var isExit: Set<ObjectIdentifier> = []
    while let current = waiting.popLast() {
      guard known.count < Saturation.nodeLimit else { return nil }
      if uses.isOutput(current) { isExit.insert(ObjectIdentifier(current)) }
      for reader in uses.readers(of: current) {
        guard let output = reader.outputs.first ?? nil else { continue }
        if known[ObjectIdentifier(output)] != nil { continue }
        if let values = evaluate(reader, known) {
          known[ObjectIdentifier(output)] = values
          waiting.append(output)
        } else if !isPending(reader, known) {
          isExit.insert(ObjectIdentifier(current))
        }
      }
    }
    guard !isExit.contains(ObjectIdentifier(value)) else { return nil }
    for (identity, values) in known where isExit.contains(identity) { exits.append(values) }
    return exits
  }

  /// The node's result at every point; nil unless it is a function of one element of the value.
  private func evaluate(_ node: Node, _ known: [ObjectIdentifier: [Double]]) -> [Double]? {
    guard node.isStandard, let first = node.inputs.first ?? nil else { return nil }
    if let function = ElementwiseFunction.function(of: node) {
      return known[ObjectIdentifier(first)]?.map(function)
    }
    guard let arithmetic = ElementwiseFunction.arithmetic[node.operatorType],
      node.inputs.count == 2, let second = node.inputs[1],
      let left = operand(first, known), let right = operand(second, known)
    else { return nil }
    return (0..<Saturation.pointCount).map { arithmetic(left($0), right($0)) }
  }

  private func operand(
    _ value: Value, _ known: [ObjectIdentifier: [Double]]
  ) -> ((Int) -> Double)? {
    if let values = known[ObjectIdentifier(value)] { return { values[$0] } }
    guard let data = value.constant?.float32Values, data.count == 1 else { return nil }
    let constant = Double(data[0])
    return { _ in constant }
  }

  /// Whether a two-sided node may still become a function once its other side is known.
  private func isPending(_ node: Node, _ known: [ObjectIdentifier: [Double]]) -> Bool {
    guard node.isStandard, ElementwiseFunction.arithmetic[node.operatorType] != nil else {
      return false
    }
    return node.inputs.allSatisfy { input in
      guard let input else { return false }
      if known[ObjectIdentifier(input)] != nil || input.constant?.elementCount == 1 { return true }
      guard let producer = input.producer else { return false }
      return ElementwiseFunction.function(of: producer) != nil
        || ElementwiseFunction.arithmetic[producer.operatorType] != nil
    }
  }
}
