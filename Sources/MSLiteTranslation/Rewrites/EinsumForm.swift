import ModelGraph
import Support

/// Sums of products that an equation states, as one matrix product or one product of elements.
///
/// An axis is summed over, free (of one operand), or shared by both and the result. Operands become
/// `[shared, free, summed]` and `[shared, summed, free]`, several axes of a kind merged in one.
enum EinsumForm {
  static let rewrite: OperatorRewrite = { @Sendable (writer) throws(Failure) in
    let equation = try Equation(writer.node)
    guard equation.terms.count <= 2 else {
      throw writer.node.refused("it multiplies more than two tensors")
    }
    var extents: [Character: Int] = [:]
    var operands: [Operand] = []
    for (index, term) in equation.terms.enumerated() {
      let value = try writer.node.operand(index)
      let shape = writer.known(value).shape
      guard shape.map({ $0.count == term.count }) ?? true else {
        throw writer.node.refused("its equation doesn't fit the rank of '\(value.name)'")
      }
      for (label, extent) in zip(term, shape ?? []) { extents[label] = extent ?? extents[label] }
      let others = equation.terms.indices.filter { $0 != index }.flatMap { equation.terms[$0] }
      operands.append(
        summed(Operand(value, term), keeping: Set(equation.result + others), &writer))
    }
    if operands.count == 1 {
      let last = operands[0].arranged(as: equation.result, &writer)
      return writer.finish("Identity", [last.value])
    }
    let shared = Set(operands[0].labels).intersection(operands[1].labels)
    if shared.isSubset(of: equation.result) {
      let factors = operands.map { $0.spread(over: equation.result, &writer).value }
      return writer.finish("Mul", factors)
    }
    try multiply(operands, equation.result, extents, &writer)
  }

  /// The result's shape, as far as those of the operands tell.
  static func shape(of node: Node, inputs: [ValueFacts?]) -> [Int?]? {
    guard let equation = try? Equation(node) else { return nil }
    var extents: [Character: Int] = [:]
    for (term, facts) in zip(equation.terms, inputs) {
      for (label, extent) in zip(term, facts?.shape ?? []) { extents[label] = extent }
    }
    return equation.result.map { extents[$0] }
  }

  private static func multiply(
    _ operands: [Operand], _ result: [Character], _ extents: [Character: Int],
    _ writer: inout NodeWriter
  ) throws(Failure) {
    let (a, b) = (operands[0].labels, operands[1].labels)
    let shared = result.filter { a.contains($0) && b.contains($0) }
    let summed = a.filter { b.contains($0) && !result.contains($0) }
    let free = [a.filter { !b.contains($0) }, b.filter { !a.contains($0) }]
    let left = try operands[0].arranged(as: shared + free[0] + summed, &writer)
      .merged([free[0], summed], behind: shared.count, extents, &writer)
    let right = try operands[1].arranged(as: shared + summed + free[1], &writer)
      .merged([summed, free[1]], behind: shared.count, extents, &writer)
    var product = Operand(writer.add("MatMul", [left, right]), shared + free[0] + free[1])
    if free.contains(where: { $0.count != 1 }) {
      let shape = shared.map { _ in 0 } + (free[0] + free[1]).map { extents[$0] ?? -1 }
      guard shape.count(where: { $0 == -1 }) <= 1 else {
        throw writer.node.refused("the extents of its axes aren't known")
      }
      product.value = writer.add("Reshape", [product.value, writer.integers(shape)])
    }
    writer.finish("Identity", [product.arranged(as: result, &writer).value])
  }

  /// Sums over axes that nothing else names.
  private static func summed(
    _ operand: Operand, keeping kept: Set<Character>, _ writer: inout NodeWriter
  ) -> Operand {
    let gone = operand.labels.indices.filter { !kept.contains(operand.labels[$0]) }
    guard !gone.isEmpty else { return operand }
    let sum = writer.add(
      "ReduceSum", [operand.value, writer.integers(gone)], [Attribute("keepdims", .int(0))])
    return Operand(sum, operand.labels.filter(kept.contains))
  }

  /// A tensor whose axes have labels.
  private struct Operand {
    var value: Value
    let labels: [Character]

    init(_ value: Value, _ labels: [Character]) { (self.value, self.labels) = (value, labels) }

    /// With the same labels in another order.
    func arranged(as wanted: [Character], _ writer: inout NodeWriter) -> Operand {
      if wanted == labels { return self }
      let steps = wanted.compactMap { labels.firstIndex(of: $0) }.map { Int64($0) }
      return Operand(
        writer.add("Transpose", [value], [Attribute("perm", .ints(steps))]), wanted)
    }

    /// With axes of extent 1 for labels that it doesn't have.
    func spread(over wanted: [Character], _ writer: inout NodeWriter) -> Operand {
      let own = arranged(as: wanted.filter(labels.contains), &writer)
      let missing = wanted.indices.filter { !labels.contains(wanted[$0]) }
      if missing.isEmpty { return own }
      return Operand(
        writer.add("Unsqueeze", [own.value, writer.integers(missing)]), wanted)
    }

    /// With one axis for each group of labels, behind `leading` axes that stay.
    func merged(
      _ groups: [[Character]], behind leading: Int, _ extents: [Character: Int],
      _ writer: inout NodeWriter
    ) throws(Failure) -> Value {
      if groups.allSatisfy({ $0.count == 1 }) { return value }
      let merged = groups.map { group -> Int in
        let known = group.compactMap { extents[$0] }
        return known.count == group.count
          ? TensorData.elementCount(of: known) ?? -1 : -1
      }
      guard merged.count(where: { $0 == -1 }) <= 1 else {
        throw writer.node.refused("the extents of its axes aren't known")
      }
      let shape = Array(repeating: 0, count: leading) + merged
      return writer.add("Reshape", [value, writer.integers(shape)])
    }
  }

  /// Which labels the axes of operands and result have.
  private struct Equation {
    let terms: [[Character]]
    let result: [Character]

    init(_ node: Node) throws(Failure) {
      let text = (node.string("equation") ?? "").filter { $0 != " " }
      let sides = text.split(separator: "-", omittingEmptySubsequences: false)
      let terms = sides[0].split(separator: ",", omittingEmptySubsequences: false).map(Array.init)
      let all = terms.joined()
      guard !text.contains("."), all.allSatisfy(\.isLetter), sides.count <= 2,
        terms.count == node.inputs.count
      else { throw node.refused("its equation is '\(text)'") }
      if sides.count == 2 {
        guard sides[1].first == ">" else { throw node.refused("its equation is '\(text)'") }
        result = Array(sides[1].dropFirst())
      } else {
        result = Set(all).filter { label in all.count { $0 == label } == 1 }.sorted()
      }
      let isPlain = (terms + [result]).allSatisfy { Set($0).count == $0.count }
      guard isPlain, Set(result).isSubset(of: Set(all)) else {
        throw node.refused("its equation is '\(text)', which names an axis twice")
      }
      self.terms = terms
    }
  }
}
