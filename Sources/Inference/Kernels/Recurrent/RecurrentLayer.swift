import CKernels
import Glibc
import ModelGraph

/// The weights of one direction, arranged for products.
struct RecurrentWeights: Sendable {
  /// From the input to all gates.
  let input: PackedMatrix
  /// From the hidden state to the gates, in one or more parts.
  let recurrence: [PackedMatrix]
  /// What is added to each gate before the steps begin.
  let bias: [Float]
  /// The bias of the last gate's recurrent sum, for cells that scale it too.
  let lastBias: [Float]

  /// Arranges the weights of one direction.
  ///
  /// - Parameters:
  ///   - parts: how many gates each part of `recurrence` has.
  ///   - separatesLastBias: whether the last gate's recurrent bias stays apart.
  init(
    weights: Tensor, recurrence: Tensor, bias: Tensor?, direction: Int, parts: [Int],
    separatesLastBias: Bool, pool: BufferPool
  ) throws {
    let (rows, inputSize, size) = (weights.shape[1], weights.shape[2], recurrence.shape[2])
    func packed(_ tensor: Tensor, from row: Int, rows: Int) throws -> PackedMatrix {
      let depth = tensor.shape[2]
      guard let base = tensor.elements(Float.self).baseAddress else {
        throw KernelProblem("weights are missing")
      }
      return try PackedMatrix(
        base + (direction * tensor.shape[1] + row) * depth, depth: depth, columns: rows,
        rowStride: 1, columnStride: depth, pool: pool)
    }
    input = try packed(weights, from: 0, rows: rows)
    precondition(inputSize == input.depth)
    var first = 0
    self.recurrence = try parts.map { gates in
      defer { first += gates * size }
      return try packed(recurrence, from: first, rows: gates * size)
    }
    var sums = [Float](repeating: 0, count: rows)
    var last = [Float](repeating: 0, count: size)
    if let bias {
      guard bias.elementType == .float32, bias.shape == [weights.shape[0], 2 * rows] else {
        throw KernelProblem("the bias is \(bias.description) instead of 2 · \(rows) numbers")
      }
      let values = bias.elements(Float.self)[(direction * 2 * rows)...].prefix(2 * rows)
      let start = values.startIndex
      for row in 0..<rows {
        let isApart = separatesLastBias && row >= rows - size
        let recurrent = values[start + rows + row]
        sums[row] = values[start + row] + (isApart ? 0 : recurrent)
        if isApart { last[row - (rows - size)] = recurrent }
      }
    }
    self.bias = sums
    lastBias = last
  }
}

/// A layer's weights in all directions: arranged when the model is prepared, if they are constant.
struct RecurrentLayer: Sendable {
  let settings: RecurrentSettings
  /// Gates of a cell.
  let gates: Int
  private let parts: [Int]
  private let separatesLastBias: Bool
  private let prepared: (weights: [RecurrentWeights], size: Int)?

  /// Reads a node's constants.
  init(
    _ node: NodeSettings, settings: RecurrentSettings, gates: Int, parts: [Int],
    separatesLastBias: Bool = false
  ) throws {
    self.settings = settings
    self.gates = gates
    self.parts = parts
    self.separatesLastBias = separatesLastBias
    guard let weights = node.constants[1], let recurrence = node.constants[2],
      weights.elementType == .float32, recurrence.elementType == .float32,
      !node.hasInput(3) || node.constants[3] != nil
    else {
      prepared = nil
      return
    }
    prepared = try Self.arrange(
      settings, gates, parts, separatesLastBias, (weights, recurrence, node.constants[3]),
      pool: BufferPool())
    weights.storage.releasePages()
    recurrence.storage.releasePages()
  }

  private static func arrange(
    _ settings: RecurrentSettings, _ gates: Int, _ parts: [Int], _ separatesLastBias: Bool,
    _ tensors: (weights: Tensor, recurrence: Tensor, bias: Tensor?), pool: BufferPool
  ) throws -> (weights: [RecurrentWeights], size: Int) {
    let size = try settings.hiddenSize(
      weights: tensors.weights, recurrence: tensors.recurrence, gates: gates)
    let weights = try settings.isReversed.indices.map { direction in
      try RecurrentWeights(
        weights: tensors.weights, recurrence: tensors.recurrence, bias: tensors.bias,
        direction: direction, parts: parts, separatesLastBias: separatesLastBias, pool: pool)
    }
    return (weights, size)
  }

  /// The weights of each direction and the hidden size.
  func weights(_ call: KernelCall) throws -> (weights: [RecurrentWeights], size: Int) {
    if let prepared { return prepared }
    return try Self.arrange(
      settings, gates, parts, separatesLastBias,
      (call.tensor(1), call.tensor(2), call.optional(3)), pool: call.context.pool)
  }

  /// The state that a layer starts from, dense by direction and sequence.
  func initialState(_ index: Int, _ shape: RecurrentShape, _ call: KernelCall) throws -> Tensor {
    let state = try call.context.allocate(.float32, [shape.directions, shape.batch, shape.size])
    let out = state.mutableElements(Float.self)
    guard let given = try call.optional(index) else {
      out.update(repeating: 0)
      return state
    }
    guard given.elementType == .float32, given.shape == shape.stateShape else {
      throw KernelProblem(
        "an initial state is \(given.description) instead of \(shape.stateShape)")
    }
    let values = given.elements(Float.self)
    for direction in 0..<shape.directions {
      for sequence in 0..<shape.batch {
        let source = shape.stateRow(direction: direction, sequence: sequence) * shape.size
        let target = (direction * shape.batch + sequence) * shape.size
        for index in 0..<shape.size { out[target + index] = values[source + index] }
      }
    }
    return state
  }

  /// A dense state as the operator gives it out; 0 where a sequence has no step, as onnxruntime
  /// has it.
  func finalState(_ state: Tensor, _ shape: RecurrentShape, _ call: KernelCall) throws -> Tensor {
    let states = state.mutableElements(Float.self)
    for (sequence, length) in (shape.lengths ?? []).enumerated() where length == 0 {
      for direction in 0..<shape.directions {
        let first = (direction * shape.batch + sequence) * shape.size
        for index in first..<first + shape.size { states[index] = 0 }
      }
    }
    guard shape.isBatchFirst, shape.directions > 1, shape.batch > 1 else {
      return state.reshaped(shape.stateShape)
    }
    let result = try call.context.allocate(.float32, shape.stateShape)
    let out = result.mutableElements(Float.self)
    let values = state.elements(Float.self)
    for direction in 0..<shape.directions {
      for sequence in 0..<shape.batch {
        let target = shape.stateRow(direction: direction, sequence: sequence) * shape.size
        let source = (direction * shape.batch + sequence) * shape.size
        for index in 0..<shape.size { out[target + index] = values[source + index] }
      }
    }
    return result
  }

  /// For each direction the input's part of every gate at every step, bias included: rows in the
  /// input's order.
  func projections(
    _ weights: [RecurrentWeights], _ shape: RecurrentShape, _ call: KernelCall
  ) throws -> [Tensor] {
    let input = try call.tensor(0, .float32)
    let rows = shape.steps * shape.batch
    let rowsAtOnce = 96
    return try weights.map { weights in
      let columns = gates * shape.size
      guard TensorData.elementCount(of: [rows, columns]) != nil else {
        throw KernelProblem("\(rows) rows of \(columns) gates are too many")
      }
      let result = try call.context.allocate(.float32, [rows, columns])
      let chunks = (rows + rowsAtOnce - 1) / rowsAtOnce
      try call.context.forEach(chunks, cost: rowsAtOnce * columns * shape.inputSize / 16) { chunk in
        let first = chunk * rowsAtOnce
        let count = min(rowsAtOnce, rows - first)
        guard let out = result.mutableElements(Float.self).baseAddress,
          let values = input.elements(Float.self).baseAddress
        else { return }
        for row in first..<first + count {
          weights.bias.withUnsafeBufferPointer { bias in
            guard let base = bias.baseAddress else { return }
            (out + row * columns).update(from: base, count: columns)
          }
        }
        weights.input.multiply(
          values + first * shape.inputSize, rows: count, into: out + first * columns,
          rowStride: columns, adding: true)
      }
      return result
    }
  }
}
