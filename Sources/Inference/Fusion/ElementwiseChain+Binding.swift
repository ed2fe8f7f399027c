import CKernels
import ModelGraph

/// A run's operations, bound to the tensors of one call and to buffers for what they hand on.
struct ChainBinding {
  /// Where a tile lies.
  enum Place: Sendable {
    case operand(Int)
    case buffer(Int)
    case output
  }

  /// One operation on tiles.
  struct Step: Sendable {
    let operation: ChainOperation
    let left: Place
    let right: Place
    let output: Place
  }

  private let inputs: [Tensor]
  /// The tensors that tiles are read from.
  private(set) var operands: [Tensor] = []
  /// The input that an operand is, if it is one.
  private var inputOfOperand: [Int?] = []
  private var operandIndex: [ChainSource: Int] = [:]
  /// By operation: its result, where that was computed beforehand.
  private var results: [Tensor?] = []
  private var bufferOfResult: [Int: Int] = [:]
  private var steps: [Step] = []
  private var spareBuffers: [Int] = []
  private var bufferCount = 0

  init(inputs: [Tensor]) { self.inputs = inputs }

  /// A tensor that is at hand.
  func tensor(_ source: ChainSource) -> Tensor? {
    switch source {
    case .input(let index): inputs[index]
    case .result(let index): results[index]
    }
  }

  /// Adds the result of the next operation.
  mutating func append(result: Tensor) { results.append(result) }

  /// Adds the next operation to those that work on tiles. The last one makes the run's result.
  mutating func append(_ instruction: ChainProgram.Instruction, lastReaders: [Int]) {
    let index = results.count
    let places = instruction.operands.map { place($0) }
    for case .result(let operand) in Set(instruction.operands) where lastReaders[operand] == index {
      if let buffer = bufferOfResult[operand] { spareBuffers.append(buffer) }
    }
    var output = Place.output
    if index < lastReaders.count - 1 {
      let buffer = spareBuffers.popLast() ?? bufferCount
      bufferCount = max(bufferCount, buffer + 1)
      bufferOfResult[index] = buffer
      output = .buffer(buffer)
    }
    steps.append(
      Step(
        operation: instruction.operation, left: places[0], right: places.last ?? places[0],
        output: output))
    results.append(nil)
  }

  private mutating func place(_ source: ChainSource) -> Place {
    if case .result(let index) = source, let buffer = bufferOfResult[index] {
      return .buffer(buffer)
    }
    if let index = operandIndex[source] { return .operand(index) }
    guard let tensor = tensor(source) else { return .output }
    operands.append(tensor)
    operandIndex[source] = operands.count - 1
    if case .input(let index) = source {
      inputOfOperand.append(index)
    } else {
      inputOfOperand.append(nil)
    }
    return .operand(operands.count - 1)
  }

  /// Computes the run's result.
  ///
  /// - Parameter isFree: by input, whether its memory may take the result.
  func run(isFree: [Bool], _ context: RunContext) throws -> Tensor {
    let plan = try Broadcast(operands.map { Broadcast.Operand($0) })
    let aligned = operands.map { plan.aligned($0, context) }
    let reused = operands.indices.first { index in
      guard let input = inputOfOperand[index], isFree[input] else { return false }
      return aligned[index].storage === inputs[input].storage && aligned[index].shape == plan.shape
    }
    let result =
      reused.map { aligned[$0] } ?? context.allocate(.float32, plan.shape, layout: plan.layout)
    let tiles = ChainTiles(
      plan: plan, steps: steps, bufferCount: bufferCount, operands: aligned.map(\.storage.base),
      output: result.storage.base)
    try plan.forEachBlock(context, cost: 2 * steps.count) { tiles.run($0) }
    return result
  }
}

/// The loop over tiles, and over the operations for each.
private struct ChainTiles: @unchecked Sendable {
  let plan: Broadcast
  let steps: [ChainBinding.Step]
  let bufferCount: Int
  let operands: [UnsafeMutableRawPointer]
  let output: UnsafeMutableRawPointer

  /// Elements of a tile: with a few buffers they fit the first-level cache.
  private static let tileSize = 1024
  private static let width = MemoryLayout<Float>.size

  /// One tile: rows of the result, dense in memory, and where each operand begins.
  private struct Tile {
    let rows: Int
    let count: Int
    let offsets: SIMD8<Int>
    let output: Int
    let buffers: UnsafeMutableRawPointer?
  }

  /// Computes a block.
  func run(_ block: Broadcast.Block) {
    let size = ChainTiles.tileSize
    let columns = min(block.count, size)
    let rows = max(1, size / block.count)
    withUnsafeTemporaryAllocation(
      byteCount: max(1, bufferCount) * size * ChainTiles.width, alignment: 64
    ) { buffers in
      for row in stride(from: 0, to: block.rows, by: rows) {
        for column in stride(from: 0, to: block.count, by: columns) {
          let offsets =
            block.offsets &+ plan.rowStrides &* SIMD8(repeating: row)
            &+ plan.columnStrides &* SIMD8(repeating: column)
          run(
            Tile(
              rows: min(rows, block.rows - row), count: min(columns, block.count - column),
              offsets: offsets, output: block.output + row * block.count + column,
              buffers: buffers.baseAddress))
        }
      }
    }
  }

  private func run(_ tile: Tile) {
    for step in steps {
      let left = operand(step.left, tile)
      guard let to = memory(step.output, tile) else { return }
      switch step.operation {
      case .apply(let function, _):
        gs_apply(
          function.code, left.base.assumingMemoryBound(to: Float.self), tile.rows * tile.count,
          Float(function.p), Float(function.q), to.assumingMemoryBound(to: Float.self))
      case .combine(let op):
        let right = operand(step.right, tile)
        if isDense(left, tile), isDense(right, tile) {
          gs_combine(op, GS_FLOAT32, 1, tile.rows * tile.count, left, right, to)
        } else {
          gs_combine(op, GS_FLOAT32, tile.rows, tile.count, left, right, to)
        }
      }
    }
  }

  private func isDense(_ operand: gs_operand, _ tile: Tile) -> Bool {
    operand.column == 1 && (operand.row == tile.count || tile.rows == 1)
  }

  private func operand(_ place: ChainBinding.Place, _ tile: Tile) -> gs_operand {
    if case .operand(let index) = place {
      return gs_operand(
        base: operands[index] + tile.offsets[index] * ChainTiles.width,
        row: plan.rowStrides[index], column: plan.columnStrides[index])
    }
    return gs_operand(base: memory(place, tile), row: tile.count, column: 1)
  }

  private func memory(_ place: ChainBinding.Place, _ tile: Tile) -> UnsafeMutableRawPointer? {
    switch place {
    case .operand(let index): operands[index] + tile.offsets[index] * ChainTiles.width
    case .buffer(let index):
      tile.buffers.map { $0 + index * ChainTiles.tileSize * ChainTiles.width }
    case .output: output + tile.output * ChainTiles.width
    }
  }
}
