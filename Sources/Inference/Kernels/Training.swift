import ModelGraph

extension Families {
  /// Optimizers: one step for any number of tensors.
  static let training: [OperatorDefinition] = [
    optimizer("Adagrad", states: 1, Adagrad.init), optimizer("Momentum", states: 1, Momentum.init),
    optimizer("Adam", states: 2, Adam.init),
  ]

  /// Inputs are the rate, the number of steps so far, and then all tensors, all gradients, and all
  /// states; outputs all tensors and all states.
  private static func optimizer<Rule: OptimizerRule>(
    _ name: String, states: Int, _ make: @escaping @Sendable (NodeSettings) throws -> Rule
  ) -> OperatorDefinition {
    OperatorDefinition(
      name, domain: "ai.onnx.preview.training",
      tensors: { settings in
        let rule = try make(settings)
        return { call in
          guard let rate = try call.scalar(0), let step = try call.scalar(1) else {
            throw KernelProblem("the rate or the number of steps is missing")
          }
          let tensors = try call.tensors(from: 2)
          let kinds = 2 + states
          guard tensors.count % kinds == 0 else {
            throw KernelProblem("\(tensors.count) tensors do not form \(kinds) equal lists")
          }
          let count = tensors.count / kinds
          var outputs: [[Tensor]] = Array(repeating: [], count: 1 + states)
          for index in 0..<count {
            let group = (0..<kinds).map { tensors[$0 * count + index] }
            let results = try update(group, rule, rate: rate, step: step, call.context)
            for (kind, result) in results.enumerated() { outputs[kind].append(result) }
          }
          return outputs.flatMap { $0 }
        }
      })
  }

  /// One tensor with its gradient and states.
  private static func update<Rule: OptimizerRule>(
    _ group: [Tensor], _ rule: Rule, rate: Double, step: Double, _ context: RunContext
  ) throws -> [Tensor] {
    guard group.allSatisfy({ $0.shape == group[0].shape }) else {
      throw KernelProblem("\(group.map(\.description)) do not have one shape")
    }
    let inputs = try group.map { try $0.doubles() }
    var outputs = [inputs[0]] + inputs.dropFirst(2)
    var states = [Double](repeating: 0, count: outputs.count - 1)
    for index in inputs[0].indices {
      for state in states.indices { states[state] = inputs[state + 2][index] }
      outputs[0][index] = rule.update(
        inputs[0][index], gradient: inputs[1][index], states: &states, rate: rate, step: step)
      for state in states.indices { outputs[state + 1][index] = states[state] }
    }
    return try outputs.map {
      try context.allocate(group[0].elementType, group[0].shape, doubles: $0)
    }
  }
}

/// What an optimizer does to one value.
private protocol OptimizerRule: Sendable {
  func update(
    _ value: Double, gradient: Double, states: inout [Double], rate: Double, step: Double
  ) -> Double
}

/// The state is the sum of squared gradients.
private struct Adagrad: OptimizerRule {
  private let epsilon: Double
  private let decay: Double
  private let shrinking: Double

  init(_ settings: NodeSettings) throws {
    epsilon = Double(try settings.float("epsilon", default: 1e-6))
    decay = Double(try settings.float("decay_factor", default: 0))
    shrinking = Double(try settings.float("norm_coefficient", default: 0))
  }

  func update(
    _ value: Double, gradient: Double, states: inout [Double], rate: Double, step: Double
  ) -> Double {
    let slope = shrinking * value + gradient
    states[0] += slope * slope
    return value - rate / (1 + step * decay) * slope / (states[0].squareRoot() + epsilon)
  }
}

/// The state is the velocity.
private struct Momentum: OptimizerRule {
  private let inertia: Double
  private let friction: Double
  private let shrinking: Double
  private let looksAhead: Bool

  init(_ settings: NodeSettings) throws {
    inertia = Double(try settings.float("alpha", default: 0))
    friction = Double(try settings.float("beta", default: 0))
    shrinking = Double(try settings.float("norm_coefficient", default: 0))
    switch try settings.string("mode") {
    case "nesterov": looksAhead = true
    case "standard": looksAhead = false
    case let other: throw KernelProblem("the mode '\(other ?? "")' is unknown")
    }
  }

  func update(
    _ value: Double, gradient: Double, states: inout [Double], rate: Double, step: Double
  ) -> Double {
    let slope = shrinking * value + gradient
    states[0] = inertia * states[0] + (step > 0 ? friction : 1) * slope
    return value - rate * (looksAhead ? slope + inertia * states[0] : states[0])
  }
}

/// The states are running means of gradients and of their squares.
private struct Adam: OptimizerRule {
  private let memory: Double
  private let squareMemory: Double
  private let epsilon: Double
  private let shrinking: Double
  private let shrinkingAfter: Double

  init(_ settings: NodeSettings) throws {
    memory = Double(try settings.float("alpha", default: 0.9))
    squareMemory = Double(try settings.float("beta", default: 0.999))
    epsilon = Double(try settings.float("epsilon", default: 1e-6))
    shrinking = Double(try settings.float("norm_coefficient", default: 0))
    shrinkingAfter = Double(try settings.float("norm_coefficient_post", default: 0))
  }

  func update(
    _ value: Double, gradient: Double, states: inout [Double], rate: Double, step: Double
  ) -> Double {
    let slope = shrinking * value + gradient
    states[0] = memory * states[0] + (1 - memory) * slope
    states[1] = squareMemory * states[1] + (1 - squareMemory) * slope * slope
    var adjusted = rate
    if step > 0 {
      let bias = 1 - raised(squareMemory, to: step)
      adjusted *= bias.squareRoot() / (1 - raised(memory, to: step))
    }
    let moved = value - adjusted * states[0] / (states[1].squareRoot() + epsilon)
    return (1 - shrinkingAfter) * moved
  }
}
