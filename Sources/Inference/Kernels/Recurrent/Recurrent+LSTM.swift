import CKernels
import ModelGraph

/// LSTM: gates input, output, forget and update; a cell state besides the hidden one.
///
///     i = f(Wi x + Ri h + Pi c)      f = f(Wf x + Rf h + Pf c)      u = g(Wc x + Rc h)
///     c = f c + i u                  o = f(Wo x + Ro h + Po c)      h = o · h(c)
struct LongShortTermMemory: Sendable {
  /// The operator.
  static let definition = OperatorDefinition(
    "LSTM", versions: "layout since 14", types: "float32, float16",
    tensors: { settings in
      let lstm = try LongShortTermMemory(settings)
      return wideningHalves { try lstm.run($0) }
    })

  private let layer: RecurrentLayer
  private let couplesForget: Bool
  private let wantsSequence: Bool
  private let roundsActivations: Bool

  /// - Parameter roundsActivations: whether hidden states are put on 256 steps before products.
  init(_ node: NodeSettings, roundsActivations: Bool = false) throws {
    self.roundsActivations = roundsActivations
    let settings = try RecurrentSettings(
      node, defaults: [GS_SIGMOID, GS_TANH, GS_TANH])
    layer = try RecurrentLayer(node, settings: settings, gates: 4, parts: [4])
    couplesForget = try node.flag("input_forget")
    wantsSequence = node.hasOutput(0)
  }

  /// Runs the layer on the inputs of a call.
  func run(_ call: KernelCall) throws -> [Tensor] {
    let (weights, size) = try layer.weights(call)
    let shape = try RecurrentShape(
      call, layer.settings, size: size, inputSize: weights.first?.input.depth ?? 0)
    let peepholes = try call.optional(7)
    if let peepholes,
      peepholes.elementType != .float32 || peepholes.shape != [shape.directions, 3 * size]
    {
      throw KernelProblem("the peepholes are \(peepholes.description) instead of 3 · \(size)")
    }
    let hidden = try layer.initialState(5, shape, call)
    let cell = try layer.initialState(6, shape, call)
    let projections = try layer.projections(weights, shape, call)
    let output = try RecurrentOutput(shape, isWanted: wantsSequence, gates: 4, call)
    try call.context.forEach(shape.directions, cost: output.cost) { direction in
      guard
        let walk = output.walk(
          direction, isReversed: layer.settings.isReversed[direction],
          projection: projections[direction], hidden: hidden),
        let cells = cell.mutableElements(Float.self).baseAddress
      else { return }
      let own = peepholes?.elements(Float.self).baseAddress.map { $0 + direction * 3 * size }
      run(walk, weights[direction], cells + direction * shape.batch * size, peepholes: own)
    }
    return [
      output.tensor, try layer.finalState(hidden, shape, call),
      try layer.finalState(cell, shape, call),
    ]
  }

  private func run(
    _ walk: RecurrentWalk, _ weights: RecurrentWeights, _ cells: UnsafeMutablePointer<Float>,
    peepholes: UnsafePointer<Float>?
  ) {
    let functions = layer.settings.functions[walk.direction]
    let size = walk.shape.size
    var lstm = gs_lstm(
      size: size, gate: functions[0], update: functions[1], output: functions[2],
      clip: layer.settings.clip, peepholes: peepholes, couples_forget: couplesForget ? 1 : 0)
    let count = walk.shape.batch * size
    let rounded = roundsActivations ? RoundedStates(count: count) : nil
    walk.run { gates, stride in
      func multiply(_ states: UnsafePointer<Float>) {
        weights.recurrence[0].multiply(
          states, rows: walk.shape.batch, into: gates, rowStride: stride, adding: true)
      }
      guard let rounded else {
        multiply(walk.hidden)
        return
      }
      rounded.round(UnsafeBufferPointer(start: walk.hidden, count: count), multiply)
    } finish: { sequence, gates in
      gs_lstm_step(&lstm, gates, cells + sequence * size, walk.hidden + sequence * size)
    }
  }
}
