import CKernels
import ModelGraph

/// How a run's operations work on inputs of certain shapes and layouts.
///
/// Operations whose result is smaller than the run's (one element a channel, say) are computed
/// beforehand, as whole tensors; all others tile by tile.
struct ChainPlan: Sendable {
  /// What the plan is for.
  let inputs: [Broadcast.Operand]
  /// What is computed beforehand, with where it stands among the operations.
  private var preparations: [(index: Int, instruction: ChainProgram.Instruction)] = []
  private let operationCount: Int
  /// What tiles are read from.
  private var operands: [ChainSource] = []
  private var steps: [gs_step] = []
  private var bufferCount = 0
  private var broadcast: Broadcast

  /// Plans; nil where shapes don't fit.
  init?(_ instructions: [ChainProgram.Instruction], _ inputs: [Broadcast.Operand]) {
    guard let descriptions = ChainPlan.descriptions(instructions, inputs),
      let full = descriptions.last?.shape
    else { return nil }
    self.inputs = inputs
    operationCount = instructions.count
    let isTiled = descriptions.map { $0.shape == full }
    func description(_ source: ChainSource) -> Broadcast.Operand {
      switch source {
      case .input(let index): inputs[index]
      case .result(let index): descriptions[index]
      }
    }
    for (index, instruction) in instructions.enumerated() {
      if !isTiled[index] {
        preparations.append((index, instruction))
        continue
      }
      for source in instruction.operands where !operands.contains(source) {
        if case .result(let result) = source, isTiled[result] { continue }
        operands.append(source)
      }
    }
    guard operands.count <= ElementwiseChain.largestInputCount,
      let broadcast = try? Broadcast(operands.map(description))
    else { return nil }
    self.broadcast = broadcast
    addSteps(instructions, isTiled)
  }

  /// What each operation's result looks like; nil where one can't be.
  private static func descriptions(
    _ instructions: [ChainProgram.Instruction], _ inputs: [Broadcast.Operand]
  ) -> [Broadcast.Operand]? {
    var found: [Broadcast.Operand] = []
    for instruction in instructions {
      let operands = instruction.operands.map { source in
        switch source {
        case .input(let index): inputs[index]
        case .result(let index): found[index]
        }
      }
      switch instruction.operation {
      case .apply(_, let minimumRank):
        guard operands[0].shape.count >= minimumRank else { return nil }
        found.append(operands[0])
      case .combine(let op):
        guard let plan = try? Broadcast(operands),
          op != GS_PRELU || plan.shape == operands[0].shape
        else { return nil }
        found.append(Broadcast.Operand(plan.shape, plan.layout))
      }
    }
    return found
  }

  /// Turns operations on tiles into steps that hand on their results in as few buffers as can be.
  private mutating func addSteps(_ instructions: [ChainProgram.Instruction], _ isTiled: [Bool]) {
    var lastReaders: [Int: Int] = [:]
    for (index, instruction) in instructions.enumerated() {
      for case .result(let result) in instruction.operands { lastReaders[result] = index }
    }
    var buffers: [Int: Int] = [:]
    var spare: [Int] = []
    for (index, instruction) in instructions.enumerated() where isTiled[index] {
      let places = instruction.operands.map { source in
        if case .result(let result) = source, let buffer = buffers[result] {
          return operands.count + buffer
        }
        return operands.firstIndex(of: source) ?? 0
      }
      for case .result(let result) in Set(instruction.operands) where lastReaders[result] == index {
        if let buffer = buffers[result] { spare.append(buffer) }
      }
      var output = -1
      if index < instructions.count - 1 {
        let buffer = spare.popLast() ?? bufferCount
        bufferCount = max(bufferCount, buffer + 1)
        buffers[index] = buffer
        output = operands.count + buffer
      }
      steps.append(gs_step(instruction.operation, places, output: output))
    }
  }

  // MARK: Running

  /// Computes the run's result.
  ///
  /// - Parameter isFree: by input, whether its memory may take the result.
  func run(_ inputs: [Tensor], isFree: [Bool], _ context: RunContext) throws -> Tensor {
    let prepared = try prepare(inputs, context)
    var result: Tensor?
    var aligned: [Tensor] = []
    aligned.reserveCapacity(operands.count)
    for source in operands {
      let tensor = try ChainPlan.tensor(source, inputs, prepared)
      let same = try broadcast.aligned(tensor, context)
      aligned.append(same)
      if case .input(let index) = source, isFree[index], result == nil,
        same.storage === tensor.storage, same.shape == broadcast.shape
      {
        result = same
      }
    }
    let output =
      try result ?? context.allocate(.float32, broadcast.shape, layout: broadcast.layout)
    nonisolated(unsafe) let to = output.storage.base
    nonisolated(unsafe) let bases = aligned.map(\.storage.base)
    try broadcast.forEachBlock(context, cost: 2 * steps.count) { block in
      run(block, bases, to.assumingMemoryBound(to: Float.self) + block.output)
    }
    return output
  }

  private func run(
    _ block: Broadcast.Block, _ bases: [UnsafeMutableRawPointer],
    _ output: UnsafeMutablePointer<Float>
  ) {
    let width = MemoryLayout<Float>.size
    withUnsafeTemporaryAllocation(of: gs_operand.self, capacity: operands.count) { places in
      for (index, base) in bases.enumerated() {
        places.initializeElement(at: index, to: broadcast.operand(index, base, block, width))
      }
      withUnsafeTemporaryAllocation(
        byteCount: max(1, bufferCount) * Int(GS_TILE) * width, alignment: 64
      ) { buffers in
        gs_run_steps(
          steps, steps.count, places.baseAddress, operands.count, block.rows, block.count,
          buffers.baseAddress?.assumingMemoryBound(to: Float.self), output)
      }
    }
  }

  /// Results of operations that come beforehand, by operation.
  private func prepare(_ inputs: [Tensor], _ context: RunContext) throws -> [Tensor?] {
    if preparations.isEmpty { return [] }
    var results = [Tensor?](repeating: nil, count: operationCount)
    for (index, instruction) in preparations {
      let operands = try instruction.operands.map { try ChainPlan.tensor($0, inputs, results) }
      switch instruction.operation {
      case .apply(let function, _):
        results[index] = try Elementwise.apply(function, operands[0], context)
      case .combine(let op):
        results[index] = try Elementwise.combine(op, operands[0], operands[1], context)
      }
    }
    return results
  }

  private static func tensor(
    _ source: ChainSource, _ inputs: [Tensor], _ results: [Tensor?]
  ) throws -> Tensor {
    switch source {
    case .input(let index): return inputs[index]
    case .result(let index):
      guard let result = results[index] else { throw KernelProblem("an operand was not made") }
      return result
    }
  }
}

extension gs_step {
  fileprivate init(_ operation: ChainOperation, _ places: [Int], output: Int) {
    self.init()
    left = Int32(places[0])
    right = Int32(places.last ?? places[0])
    self.output = Int32(output)
    switch operation {
    case .apply(let function, _):
      is_function = 1
      self.function = function.code
      (p, q) = (Float(function.p), Float(function.q))
    case .combine(let op): binary = op
    }
  }
}
