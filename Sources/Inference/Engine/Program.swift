import ModelGraph

/// A graph made ready to run: steps in order, each knowing where its values lie and which of them
/// it is the last to read. Never changes; any number of threads may run it at once.
final class Program: Sendable {
  /// Told of each watched value while it is alive.
  typealias Observer = (_ name: String, _ tensor: Tensor) -> Void

  /// Where a step finds an input.
  enum Operand: Sendable {
    case absent
    case constant(Int)
    /// A slot; the last reader takes the value out.
    case slot(Int, isLast: Bool)
  }

  /// One node's turn.
  struct Step: Sendable {
    let label: NodeLabel
    let inputs: [Operand]
    /// The slot of each output; nil where nothing reads it.
    let outputs: [Int?]
    /// Watched outputs: index and name.
    let taps: [(output: Int, name: String)]
    let layouts: OperatorDefinition.Layouts
    let body: KernelBody
  }

  let slotCount: Int
  let constants: [RunValue]
  /// The slot of each input; nil where nothing reads it.
  let inputs: [Int?]
  let outputs: [Operand]
  let steps: [Step]
  /// Watched values that are constant or fed.
  let constantTaps: [(constant: Int, name: String)]
  let inputTaps: [(input: Int, name: String)]

  init(
    slotCount: Int, constants: [RunValue], inputs: [Int?], outputs: [Operand], steps: [Step],
    constantTaps: [(constant: Int, name: String)], inputTaps: [(input: Int, name: String)]
  ) {
    self.slotCount = slotCount
    self.constants = constants
    self.inputs = inputs
    self.outputs = outputs
    self.steps = steps
    self.constantTaps = constantTaps
    self.inputTaps = inputTaps
  }

  /// Runs all steps.
  ///
  /// - Throws: `NodeFailure` of the first node that can't do its work.
  func run(_ feeds: [RunValue], context: RunContext, observer: Observer?) throws -> [RunValue] {
    var slots = [RunValue?](repeating: nil, count: slotCount)
    for (slot, feed) in zip(inputs, feeds) {
      if let slot { slots[slot] = feed }
    }
    if let observer { observeWhatIsKnown(feeds, observer) }
    for step in steps {
      try run(step, slots: &slots, context: context, observer: observer)
    }
    return try outputs.map { operand in
      switch operand {
      case .absent: return .nothing
      case .constant(let index): return constants[index]
      case .slot(let slot, _):
        guard let value = slots[slot] else { throw KernelProblem("an output was never made") }
        return value
      }
    }
  }

  /// Tells of the watched constants.
  func visitConstants(_ observer: Observer) {
    for tap in constantTaps {
      if let tensor = constants[tap.constant].tensor { observer(tap.name, tensor) }
    }
  }

  private func observeWhatIsKnown(_ feeds: [RunValue], _ observer: Observer) {
    visitConstants(observer)
    for tap in inputTaps {
      if let tensor = feeds[tap.input].tensor { observer(tap.name, tensor) }
    }
  }

  private func run(
    _ step: Step, slots: inout [RunValue?], context: RunContext, observer: Observer?
  ) throws {
    let mark = context.mark
    defer { context.endNode(keeping: mark) }
    var values: [RunValue?] = []
    values.reserveCapacity(step.inputs.count)
    for operand in step.inputs {
      switch operand {
      case .absent: values.append(nil)
      case .constant(let index): values.append(constants[index])
      case .slot(let slot, let isLast):
        if step.layouts == .rowMajor, case .tensor(let tensor)? = slots[slot],
          tensor.layout != .rowMajor
        {
          slots[slot] = try .tensor(tensor.converted(to: .rowMajor, context))
        }
        if isLast {
          values.append(slots[slot].take())
        } else {
          values.append(slots[slot])
        }
      }
    }
    do {
      let call = KernelCall(inputs: values, context: context, observer: observer)
      values = []
      let results = try step.body(call)
      for (index, slot) in step.outputs.enumerated() {
        if let slot { slots[slot] = index < results.count ? results[index] : nil }
      }
      if let observer {
        for tap in step.taps {
          if tap.output < results.count, case .tensor(let tensor)? = results[tap.output] {
            observer(tap.name, tensor)
          }
        }
      }
    } catch let failure as NodeFailure {
      throw failure
    } catch {
      throw NodeFailure(label: step.label, problem: error)
    }
  }
}

/// A node's name and operator, for messages.
struct NodeLabel: Hashable, Sendable {
  let name: String
  let operatorType: String

  init(_ node: Node) {
    name = node.displayName
    operatorType = node.isStandard ? node.operatorType : "\(node.domain).\(node.operatorType)"
  }
}

/// A node that couldn't be prepared or run.
struct NodeFailure: Error {
  let label: NodeLabel
  let problem: any Error
}

/// A graph inside a node, ready to run with the values it captures from around it.
struct NestedProgram: Sendable {
  let program: Program
  /// Where the captured values stand among the node's inputs.
  let captures: Range<Int>
  /// How many inputs the graph itself has.
  let inputCount: Int

  /// Runs the graph once.
  func run(_ inputs: [RunValue], _ call: KernelCall) throws -> [RunValue] {
    guard inputs.count == inputCount else {
      throw KernelProblem("a nested graph has \(inputCount) inputs, \(inputs.count) were given")
    }
    let captured = try captures.map { index in
      guard let value = call.inputs[index] else {
        throw KernelProblem("a captured value is missing")
      }
      return value
    }
    return try program.run(inputs + captured, context: call.context, observer: call.observer)
  }
}
