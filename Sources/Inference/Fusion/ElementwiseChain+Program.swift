import CKernels
import ModelGraph
import Support

/// The operations of a run, for float32 tensors of any layout.
final class ChainProgram: Sendable {
  /// One operation.
  struct Instruction: Sendable {
    let operation: ChainOperation
    let operands: [ChainSource]
  }

  private let instructions: [Instruction]
  /// The plan for the shapes that were last met.
  private let latest = Guarded<ChainPlan?>(nil)

  /// Takes operations in an order in which each finds its operands made.
  init(_ instructions: [Instruction]) { self.instructions = instructions }

  /// The run's result; nil where the inputs don't fit, so that the nodes have to run separately.
  func run(_ call: KernelCall) throws -> Tensor? {
    let isFree = call.inputs.indices.map { call.takeForWriting($0, .float32) != nil }
    var inputs: [Tensor] = []
    inputs.reserveCapacity(call.inputs.count)
    for value in call.inputs {
      guard case .tensor(let tensor)? = value, tensor.elementType == .float32 else { return nil }
      inputs.append(tensor)
    }
    guard let plan = plan(for: inputs.map { Broadcast.Operand($0) }) else { return nil }
    return try plan.run(inputs, isFree: isFree, call.context)
  }

  private func plan(for inputs: [Broadcast.Operand]) -> ChainPlan? {
    if let known = latest.withLock({ $0 }), known.inputs == inputs { return known }
    guard let plan = ChainPlan(instructions, inputs) else { return nil }
    latest.withLock { $0 = plan }
    return plan
  }
}
