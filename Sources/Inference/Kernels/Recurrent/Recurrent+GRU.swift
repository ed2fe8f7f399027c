import CKernels
import ModelGraph

/// GRU: gates update (z), reset (r) and candidate (n).
///
///     z = f(Wz x + Rz h)   r = f(Wr x + Rr h)   h = (1 - z) n + z h
///     n = g(Wn x + Rn (r h))          or, with linear_before_reset, g(Wn x + r (Rn h + b))
struct GatedUnit: Sendable {
  /// The operator.
  static let definition = OperatorDefinition(
    "GRU", versions: "layout since 14", types: "float32, float16",
    tensors: { settings in
      let unit = try GatedUnit(settings)
      return wideningHalves { try unit.run($0) }
    })

  private let layer: RecurrentLayer
  private let resetsLast: Bool
  private let wantsSequence: Bool

  private init(_ node: NodeSettings) throws {
    let settings = try RecurrentSettings(node, defaults: [GS_SIGMOID, GS_TANH])
    resetsLast = try node.flag("linear_before_reset")
    layer = try RecurrentLayer(
      node, settings: settings, gates: 3, parts: [2, 1], separatesLastBias: resetsLast)
    wantsSequence = node.hasOutput(0)
  }

  private func run(_ call: KernelCall) throws -> [Tensor] {
    let (weights, size) = try layer.weights(call)
    let shape = try RecurrentShape(
      call, layer.settings, size: size, inputSize: weights.first?.input.depth ?? 0)
    let hidden = try layer.initialState(5, shape, call)
    let projections = try layer.projections(weights, shape, call)
    let output = try RecurrentOutput(shape, isWanted: wantsSequence, gates: 3, call)
    let scratch = try call.context.allocate(.float32, [shape.directions, shape.batch, size])
    try call.context.forEach(shape.directions, cost: output.cost) { direction in
      guard
        let walk = output.walk(
          direction, isReversed: layer.settings.isReversed[direction],
          projection: projections[direction], hidden: hidden),
        let reset = scratch.mutableElements(Float.self).baseAddress
      else { return }
      run(walk, weights[direction], reset + direction * shape.batch * size)
    }
    return [output.tensor, try layer.finalState(hidden, shape, call)]
  }

  /// - Parameter scratch: room for the hidden states, or for what they add to the candidates.
  private func run(
    _ walk: RecurrentWalk, _ weights: RecurrentWeights, _ scratch: UnsafeMutablePointer<Float>
  ) {
    let functions = layer.settings.functions[walk.direction]
    let (size, batch) = (walk.shape.size, walk.shape.batch)
    var gru = gs_gru(
      size: size, gate: functions[0], update: functions[1], clip: layer.settings.clip)
    walk.run { gates, stride in
      weights.recurrence[0].multiply(
        walk.hidden, rows: batch, into: gates, rowStride: stride, adding: true)
      if resetsLast {
        for sequence in 0..<batch {
          weights.lastBias.withUnsafeBufferPointer { bias in
            guard let base = bias.baseAddress else { return }
            (scratch + sequence * size).update(from: base, count: size)
          }
        }
        weights.recurrence[1].multiply(
          walk.hidden, rows: batch, into: scratch, rowStride: size, adding: true)
      }
      for sequence in 0..<batch {
        let row = gates + sequence * stride
        let own = scratch + sequence * size
        gs_gru_gates(&gru, row)
        if resetsLast {
          gs_multiply_add(row + size, own, size, row + 2 * size)
        } else {
          gs_multiply(row + size, walk.hidden + sequence * size, size, own)
        }
      }
      if !resetsLast {
        weights.recurrence[1].multiply(
          scratch, rows: batch, into: gates + 2 * size, rowStride: stride, adding: true)
      }
    } finish: { sequence, gates in
      gs_gru_step(&gru, gates, gates + 2 * size, walk.hidden + sequence * size)
    }
  }
}
