import ModelGraph
import Support

/// The most steps of a loop or a recurrent layer that are written one after the other.
let unrolledStepLimit = 256

extension ControlFlowInlining {
  /// Takes the steps of a Loop: as many as its first input says, or until its condition is false;
  /// what the body says of that doesn't matter to a loop that is given none.
  mutating func takeSteps(ofLoop node: Node) throws(Failure) {
    let body = try body(of: node)
    let states = node.inputs.dropFirst(2).compactMap { $0 }
    guard node.inputs.count == states.count + 2, body.inputs.count == states.count + 2,
      body.outputs.count > states.count, node.outputs.count < body.outputs.count
    else { throw node.refused("its inputs and results aren't those of its body") }
    guard node.inputs[0] != nil || node.inputs[1] != nil else {
      throw node.refused("neither a count nor a condition ends it")
    }
    var limit = Int64.max
    if let count = node.inputs[0] {
      guard let known = facts.of(count).integers?.first else {
        throw node.refused("how often it runs isn't known before the model runs")
      }
      limit = known
    }
    var condition =
      node.inputs[1] ?? constant(Self.yes, named: node.displayName + "/runs")
    var held = states
    var elements: [[Value]] = Array(
      repeating: [], count: body.outputs.count - 1 - states.count)
    var step: Int64 = 0
    while step < limit {
      guard let runs = truth(condition) else {
        throw node.refused("whether it ends after \(step) steps isn't known before the model runs")
      }
      guard runs else { break }
      try check(step, of: node)
      let index = constant(
        TensorData(int64: [step], isScalar: true), named: node.displayName + "/step")
      let results = try takeCopy(of: body, [index, condition] + held, in: node)
      if node.inputs[1] != nil { condition = results[0] }
      held = Array(results[1..<(1 + states.count)])
      for (place, result) in results[(1 + states.count)...].enumerated() {
        elements[place].append(result)
      }
      step += 1
    }
    finish(node, held)
    for (place, parts) in elements.enumerated() {
      try join(parts, axis: 0, of: node, states.count + place)
    }
  }

  /// Takes the steps of a Scan, one for each element along the scanned axes.
  mutating func takeSteps(ofScan node: Node) throws(Failure) {
    let body = try body(of: node)
    let inputs = node.inputs.compactMap { $0 }
    guard let scanned = node.int("num_scan_inputs").flatMap({ Int(exactly: $0) }), scanned > 0,
      scanned <= inputs.count, inputs.count == node.inputs.count,
      body.inputs.count == inputs.count, body.outputs.count >= inputs.count - scanned,
      node.outputs.count <= body.outputs.count
    else { throw node.refused("its inputs and results aren't those of its body") }
    let stateCount = inputs.count - scanned
    let joined = body.outputs.count - stateCount
    func settings(_ name: String, _ count: Int) throws(Failure) -> [Int64] {
      let given = node.ints(name) ?? Array(repeating: 0, count: count)
      guard given.count == count else { throw node.refused("it has other than \(count) \(name)") }
      return given
    }
    let axes = try settings("scan_input_axes", scanned)
    let directions = try settings("scan_input_directions", scanned)
    let resultAxes = try settings("scan_output_axes", joined)
    let resultDirections = try settings("scan_output_directions", joined)
    let sequences = Array(inputs[stateCount...])
    let extents = zip(sequences, axes).map { sequence, axis in
      facts.of(sequence).shape.flatMap { shape in
        ShapeRules.axis(axis, rank: shape.count).flatMap { shape[$0] }
      }
    }
    guard let count = extents[0], extents.allSatisfy({ $0 == count }) else {
      throw node.refused("how often it runs isn't known; state shapes with --inputShape")
    }
    var held = Array(inputs[..<stateCount])
    var elements: [[Value]] = Array(repeating: [], count: joined)
    for step in 0..<Int64(count) {
      try check(step, of: node)
      let parts = sequences.indices.map { place in
        let index = directions[place] == 0 ? step : Int64(count) - 1 - step
        return add(
          "Gather",
          [
            sequences[place],
            constant(TensorData(int64: [index], isScalar: true), named: node.displayName + "/step"),
          ], [Attribute("axis", .int(axes[place]))], named: node.displayName + "/element")
      }
      let results = try takeCopy(of: body, held + parts, in: node)
      held = Array(results[..<stateCount])
      for (place, result) in results[stateCount...].enumerated() { elements[place].append(result) }
    }
    finish(node, held)
    for (place, parts) in elements.enumerated() {
      let isReversed = resultDirections[place] != 0
      try join(
        isReversed ? parts.reversed() : parts, axis: resultAxes[place], of: node, stateCount + place
      )
    }
  }

  private static let yes = TensorData(
    elementType: .bool, dimensions: [], storage: .packed(Bytes([1])))

  private func body(of node: Node) throws(Failure) -> Graph {
    guard case .graph(let body) = node.attribute("body") else {
      throw node.refused("its body is missing")
    }
    return body
  }

  private func check(_ step: Int64, of node: Node) throws(Failure) {
    guard step < unrolledStepLimit else {
      throw node.refused("it has more than \(unrolledStepLimit) steps")
    }
  }

  /// Takes one step of a body that reads these values.
  private mutating func takeCopy(
    of body: Graph, _ inputs: [Value], in node: Node
  ) throws(Failure) -> [Value] {
    adopt(body.initializers, renaming: true)
    var copy = GraphCopy(replacing: zip(body.inputs, inputs))
    for inner in body.nodes { try take(copy.node(inner), of: node) }
    return body.outputs.map { copy.value($0) }
  }

  /// Makes the last states a node's first results.
  private mutating func finish(_ node: Node, _ states: [Value]) {
    for (index, state) in states.enumerated() { finish(node, index, "Identity", [state]) }
  }

  /// Makes what the steps gave, along an axis of its own, one of a node's results.
  private mutating func join(
    _ parts: [Value], axis: Int64, of node: Node, _ index: Int
  ) throws(Failure) {
    guard index < node.outputs.count, let output = node.outputs[index] else { return }
    guard !parts.isEmpty else { throw node.refused("it never runs, and '\(output.name)' is empty") }
    let place = constant(TensorData(int64: [axis]), named: node.displayName + "/axis")
    let wide = parts.map { add("Unsqueeze", [$0, place], named: $0.name + "_row") }
    finish(node, index, "Concat", wide, [Attribute("axis", .int(axis))])
  }
}
