import CKernels
import ModelGraph

/// RNN, the plain one: h = f(W x + R h + b).
struct PlainRecurrence: Sendable {
  /// The operator.
  static let definition = OperatorDefinition(
    "RNN", versions: "layout since 14", types: "float32, float16",
    tensors: { settings in
      let recurrence = try PlainRecurrence(settings)
      return wideningHalves { try recurrence.run($0) }
    })

  private let layer: RecurrentLayer
  private let wantsSequence: Bool

  private init(_ node: NodeSettings) throws {
    let settings = try RecurrentSettings(node, defaults: [GS_TANH])
    layer = try RecurrentLayer(node, settings: settings, gates: 1, parts: [1])
    wantsSequence = node.hasOutput(0)
  }

  private func run(_ call: KernelCall) throws -> [Tensor] {
    let (weights, size) = try layer.weights(call)
    let shape = try RecurrentShape(
      call, layer.settings, size: size, inputSize: weights.first?.input.depth ?? 0)
    let hidden = try layer.initialState(5, shape, call)
    let projections = try layer.projections(weights, shape, call)
    let output = try RecurrentOutput(shape, isWanted: wantsSequence, gates: 1, call)
    try call.context.forEach(shape.directions, cost: output.cost) { direction in
      guard
        let walk = output.walk(
          direction, isReversed: layer.settings.isReversed[direction],
          projection: projections[direction], hidden: hidden)
      else { return }
      run(walk, weights[direction])
    }
    return [output.tensor, try layer.finalState(hidden, shape, call)]
  }

  private func run(_ walk: RecurrentWalk, _ weights: RecurrentWeights) {
    let function = layer.settings.functions[walk.direction][0]
    let size = walk.shape.size
    let bound = layer.settings.clip
    walk.run { gates, stride in
      weights.recurrence[0].multiply(
        walk.hidden, rows: walk.shape.batch, into: gates, rowStride: stride, adding: true)
    } finish: { sequence, gates in
      if bound.isFinite {
        for index in 0..<size { gates[index] = max(-bound, min(bound, gates[index])) }
      }
      gs_apply(function.function, gates, size, function.p, function.q, gates)
      (walk.hidden + sequence * size).update(from: gates, count: size)
    }
  }
}
