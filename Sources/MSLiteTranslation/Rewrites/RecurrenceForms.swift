import ModelGraph
import Support

/// Recurrent layers that the format doesn't have, written out step by step.
enum RecurrenceForms {
  static let rewrites: [String: OperatorRewrite] = ["GRU": gru, "RNN": rnn]

  /// The format's resets the state before it is multiplied, and doesn't run backwards alone; the
  /// runtime's is wrong for batches of more than one.
  private static let gru: OperatorRewrite = { @Sendable (writer) throws(Failure) in
    let resetsProducts = (writer.node.int("linear_before_reset") ?? 0) != 0
    let shape = writer.known(try writer.node.operand(0)).shape
    if !resetsProducts, writer.node.string("direction") ?? "forward" != "reverse",
      shape?.count == 3, shape?[1] == 1
    {
      return writer.keep()
    }
    try unroll(Layer(writer, gates: 3), &writer) { (direction, inputs, state, writer) in
      let gates = (0..<2).map { gate in
        writer.add("Sigmoid", [direction.gate(gate, inputs, state, &writer)])
      }
      let new: Value
      if resetsProducts {
        let product = direction.product(2, state, withBias: true, &writer)
        let reset = writer.add("Mul", [gates[1], product])
        new = writer.add("Tanh", [writer.add("Add", [inputs[2], reset])])
      } else {
        let reset = state.map { writer.add("Mul", [gates[1], $0]) }
        new = writer.add("Tanh", [direction.gate(2, inputs, reset, &writer)])
      }
      let difference = state.map { writer.add("Sub", [$0, new]) }
      let step = writer.add("Mul", [gates[0], difference ?? new])
      return writer.add(state == nil ? "Sub" : "Add", [new, step])
    }
  }

  private static let rnn: OperatorRewrite = { @Sendable (writer) throws(Failure) in
    try unroll(Layer(writer, gates: 1), &writer) { (direction, inputs, state, writer) in
      writer.add("Tanh", [direction.gate(0, inputs, state, &writer)])
    }
  }

  /// Writes a layer out; `step` makes the next state from what the gates see of the input and the
  /// state, which is nil for zeros.
  private static func unroll(
    _ layer: Layer, _ writer: inout NodeWriter,
    step: (Layer.Direction, [Value], Value?, inout NodeWriter) -> Value
  ) {
    var all: [Value] = []
    var last: [Value] = []
    for (index, direction) in layer.directions.enumerated() {
      let seen = direction.gates.map { gate in
        writer.add("Add", [writer.add("MatMul", [layer.input, gate.input]), gate.bias])
      }
      var state = layer.firstState.map { states in
        writer.add("Gather", [states, writer.index(index)], [Attribute("axis", .int(0))])
      }
      var states: [Value?] = Array(repeating: nil, count: layer.steps)
      for time in direction.isReversed
        ? Array((0..<layer.steps).reversed()) : Array(0..<layer.steps)
      {
        let inputs = seen.map {
          writer.add("Gather", [$0, writer.index(time)], [Attribute("axis", .int(0))])
        }
        let next = step(direction, inputs, state, &writer)
        states[time] = writer.add("Unsqueeze", [next, writer.integers([0, 1])])
        state = next
      }
      all.append(writer.add("Concat", states, [Attribute("axis", .int(0))]))
      last.append(writer.add("Unsqueeze", [state, writer.integers([0])]))
    }
    writer.finish("Concat", all, [Attribute("axis", .int(1))])
    writer.finish("Concat", last, [Attribute("axis", .int(0))], output: 1)
  }

  /// A layer's weights, taken apart.
  private struct Layer {
    /// Those of a gate; matrices are transposed.
    struct Gate {
      let input: Value
      let recurrence: Value
      /// Both biases' sum; the recurrence's own is apart where it stands inside a product.
      let bias: Value
      let recurrenceBias: Value
    }

    /// One way through the sequence.
    struct Direction {
      let gates: [Gate]
      let isReversed: Bool

      /// A gate before its activation.
      func gate(
        _ index: Int, _ inputs: [Value], _ state: Value?, _ writer: inout NodeWriter
      ) -> Value {
        guard let state else { return inputs[index] }
        return writer.add(
          "Add", [inputs[index], writer.add("MatMul", [state, gates[index].recurrence])])
      }

      /// A gate's product with the state.
      func product(
        _ index: Int, _ state: Value?, withBias: Bool, _ writer: inout NodeWriter
      ) -> Value {
        guard let state else { return gates[index].recurrenceBias }
        let product = writer.add("MatMul", [state, gates[index].recurrence])
        return withBias ? writer.add("Add", [product, gates[index].recurrenceBias]) : product
      }
    }

    let input: Value
    let steps: Int
    let firstState: Value?
    let directions: [Direction]

    init(_ writer: NodeWriter, gates count: Int) throws(Failure) {
      let node = writer.node
      try node.checkRecurrence(activations: count == 1 ? ["Tanh"] : ["Sigmoid", "Tanh"])
      input = try node.operand(0)
      guard let steps = writer.known(input).shape?.first ?? nil,
        (1...unrolledStepLimit).contains(steps)
      else {
        throw node.refused(
          "it has to be written out, and the number of its steps isn't known or more than "
            + "\(unrolledStepLimit)")
      }
      self.steps = steps
      firstState = node.operandIfAny(5)
      let keepsBiasApart = (node.int("linear_before_reset") ?? 0) != 0
      let names = ["forward": [false], "reverse": [true], "bidirectional": [false, true]]
      guard let ways = names[node.string("direction") ?? "forward"] else {
        throw node.refused("its direction is unknown")
      }
      let weights = try Matrices(node, gates: count, directions: ways.count)
      directions = ways.enumerated().map { index, isReversed in
        Direction(
          gates: (0..<count).map { gate in
            let biases = weights.biases(gate, index)
            let isApart = keepsBiasApart && gate == 2
            let sum = isApart ? biases.0 : zip(biases.0, biases.1).map { $0 + $1 }
            return Gate(
              input: writer.constant(weights.input(gate, index)),
              recurrence: writer.constant(weights.recurrence(gate, index)),
              bias: writer.constant(TensorData(float32: sum)),
              recurrenceBias: writer.constant(TensorData(float32: biases.1)))
          }, isReversed: isReversed)
      }
    }
  }

  /// The constant weights of a layer.
  private struct Matrices {
    private let values: [[Float]]
    private let gates: Int
    private let hidden: Int
    private let columns: Int

    init(_ node: Node, gates: Int, directions: Int) throws(Failure) {
      let given = try (1...2).map { index throws(Failure) in try node.operand(index).constant }
      let bias = node.operandIfAny(3)
      guard let w = given[0], let r = given[1], w.dimensions.count == 3, r.dimensions.count == 3,
        let first = w.float32Values, let second = r.float32Values
      else { throw node.refused("its weights are not constant") }
      hidden = r.dimensions[2]
      columns = w.dimensions[2]
      guard (1...1 << 20).contains(hidden), (1...1 << 20).contains(columns) else {
        throw node.refused("it has \(hidden) units and \(columns) inputs")
      }
      self.gates = gates
      let rows = gates * hidden
      let biases =
        bias == nil
        ? Array(repeating: 0, count: directions * 2 * rows) : bias?.constant?.float32Values ?? []
      guard w.dimensions == [directions, rows, columns],
        r.dimensions == [directions, rows, hidden], biases.count == directions * 2 * rows
      else { throw node.refused("its weights' shapes don't fit together, or aren't constant") }
      values = [first, second, biases]
    }

    func input(_ gate: Int, _ direction: Int) -> TensorData {
      transposed(values[0], gate, direction, columns)
    }

    func recurrence(_ gate: Int, _ direction: Int) -> TensorData {
      transposed(values[1], gate, direction, hidden)
    }

    func biases(_ gate: Int, _ direction: Int) -> ([Float], [Float]) {
      let start = direction * 2 * gates * hidden
      func part(_ at: Int) -> [Float] {
        Array(values[2][start + at * hidden..<start + (at + 1) * hidden])
      }
      return (part(gate), part(gates + gate))
    }

    private func transposed(
      _ values: [Float], _ gate: Int, _ direction: Int, _ columns: Int
    ) -> TensorData {
      let start = (direction * gates + gate) * hidden * columns
      let turned = (0..<columns).flatMap { column in
        (0..<hidden).map { values[start + $0 * columns + column] }
      }
      return TensorData(float32: turned, dimensions: [columns, hidden])
    }
  }
}

extension Node {
  /// Refuses settings of a recurrent layer that no form has.
  func checkRecurrence(activations: [String]) throws(Failure) {
    for (index, what) in [(4, "lengths of sequences"), (7, "peepholes")]
    where operandIfAny(index) != nil {
      throw refused("it has \(what)")
    }
    if case .strings(let given) = attribute("activations") {
      let names = given.map { String(decoding: $0, as: UTF8.self) }
      guard names.count % activations.count == 0,
        names.indices.allSatisfy({ names[$0] == activations[$0 % activations.count] })
      else { throw refused("its activations are \(names.joined(separator: ", "))") }
    }
    for setting in ["activation_alpha", "activation_beta", "clip", "input_forget", "layout"] {
      if let given = attribute(setting) {
        if case .int(0) = given { continue }
        throw refused("it sets \(setting)")
      }
    }
  }
}
