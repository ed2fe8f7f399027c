import CKernels
import ModelGraph

/// The operations of a run, for float32 tensors of any layout.
///
/// Operations whose result is smaller than the run's (on one element a channel, say) are computed
/// beforehand; all others tile by tile.
struct ChainProgram: Sendable {
  /// One operation.
  struct Instruction: Sendable {
    let operation: ChainOperation
    let operands: [ChainSource]
  }

  let instructions: [Instruction]
  /// By operation: the last one that reads its result.
  private let lastReaders: [Int]

  /// Takes operations in an order in which each finds its operands made.
  init(_ instructions: [Instruction]) {
    self.instructions = instructions
    var lastReaders = Array(instructions.indices)
    for (index, instruction) in instructions.enumerated() {
      for case .result(let operand) in instruction.operands { lastReaders[operand] = index }
    }
    self.lastReaders = lastReaders
  }

  /// The run's result; nil where the inputs don't fit, so that the nodes have to run separately.
  func run(_ call: KernelCall) throws -> Tensor? {
    let isFree = call.inputs.indices.map { call.takeForWriting($0, .float32) != nil }
    var inputs: [Tensor] = []
    for case .tensor(let tensor)? in call.inputs where tensor.elementType == .float32 {
      inputs.append(tensor)
    }
    guard inputs.count == call.inputs.count, let shapes = shapes(inputs), let full = shapes.last
    else { return nil }
    var binding = ChainBinding(inputs: inputs)
    for (index, instruction) in instructions.enumerated() {
      if shapes[index] == full {
        binding.append(instruction, lastReaders: lastReaders)
      } else {
        binding.append(result: try compute(instruction, binding, call.context))
      }
    }
    guard binding.operands.count <= ElementwiseChain.largestInputCount else { return nil }
    return try binding.run(isFree: isFree, call.context)
  }

  /// The shape of each operation's result; nil where one can't be.
  private func shapes(_ inputs: [Tensor]) -> [[Int]]? {
    var shapes: [[Int]] = []
    for instruction in instructions {
      let operands = instruction.operands.map { source in
        switch source {
        case .input(let index): inputs[index].shape
        case .result(let index): shapes[index]
        }
      }
      switch instruction.operation {
      case .apply(_, let minimumRank):
        guard operands[0].count >= minimumRank else { return nil }
        shapes.append(operands[0])
      case .combine(let op):
        guard let shape = try? broadcastShape(operands[0], operands[1]),
          op != GS_PRELU || shape == operands[0]
        else { return nil }
        shapes.append(shape)
      }
    }
    return shapes
  }

  private func compute(
    _ instruction: Instruction, _ binding: ChainBinding, _ context: RunContext
  ) throws -> Tensor {
    let operands = instruction.operands.compactMap { binding.tensor($0) }
    guard operands.count == instruction.operands.count else {
      throw KernelProblem("an operand was not made")
    }
    switch instruction.operation {
    case .apply(let function, _): return try Elementwise.apply(function, operands[0], context)
    case .combine(let op): return try Elementwise.combine(op, operands[0], operands[1], context)
    }
  }
}
