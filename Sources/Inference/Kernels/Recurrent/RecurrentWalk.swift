import ModelGraph

/// Where the hidden states of all steps go.
struct RecurrentOutput: Sendable {
  /// All hidden states; empty if nobody wants them.
  let tensor: Tensor
  private let isWanted: Bool
  private let shape: RecurrentShape
  private let gates: Int
  private let gathered: Tensor

  /// Allocates the output. States after a sequence's end are 0.
  init(_ shape: RecurrentShape, isWanted: Bool, gates: Int, _ call: KernelCall) throws {
    self.shape = shape
    self.isWanted = isWanted
    self.gates = gates
    tensor = try call.context.allocate(.float32, isWanted ? shape.sequenceShape : [0])
    if shape.lengths != nil { tensor.mutableElements(Float.self).update(repeating: 0) }
    gathered = try call.context.allocate(
      .float32,
      [shape.lengths == nil ? 0 : shape.directions * shape.batch * gates * shape.size])
  }

  /// Rough number of steps of a direction.
  var cost: Int { shape.steps * shape.batch * gates * shape.size * shape.size / 16 }

  /// The walk of one direction; nil where there is no memory.
  func walk(
    _ direction: Int, isReversed: Bool, projection: Tensor, hidden: Tensor
  ) -> RecurrentWalk? {
    guard let projected = projection.mutableElements(Float.self).baseAddress,
      let rows = gathered.mutableElements(Float.self).baseAddress,
      let states = hidden.mutableElements(Float.self).baseAddress
    else { return nil }
    let width = gates * shape.size
    return RecurrentWalk(
      shape: shape, direction: direction, isReversed: isReversed, projection: projected,
      gathered: rows + direction * shape.batch * width, width: width,
      hidden: states + direction * shape.batch * shape.size,
      output: isWanted ? tensor.mutableElements(Float.self).baseAddress : nil)
  }
}

/// One direction's walk along its sequences.
struct RecurrentWalk {
  let shape: RecurrentShape
  let direction: Int
  let isReversed: Bool
  /// The input's part of the gates, all steps.
  let projection: UnsafeMutablePointer<Float>
  /// Room for one step's gates, for sequences of unequal lengths.
  let gathered: UnsafeMutablePointer<Float>
  /// Floats of a row of gates.
  let width: Int
  /// The hidden states of all sequences, which cells update.
  let hidden: UnsafeMutablePointer<Float>
  /// All hidden states of all steps, if wanted.
  let output: UnsafeMutablePointer<Float>?

  /// Goes through all steps.
  ///
  /// - Parameters:
  ///   - advance: given the gates' first row and stride, adds what comes from the hidden states.
  ///   - finish: given a sequence and its gates, updates its hidden state.
  func run(
    advance: (_ gates: UnsafeMutablePointer<Float>, _ stride: Int) -> Void,
    finish: (_ sequence: Int, _ gates: UnsafeMutablePointer<Float>) -> Void
  ) {
    for turn in 0..<shape.steps {
      let (gates, stride) = gates(turn)
      advance(gates, stride)
      for sequence in 0..<shape.batch {
        guard let step = shape.step(turn: turn, sequence: sequence, isReversed: isReversed) else {
          continue
        }
        finish(sequence, gates + sequence * stride)
        if let output {
          let row = shape.outputRow(step: step, direction: direction, sequence: sequence)
          (output + row * shape.size).update(
            from: hidden + sequence * shape.size, count: shape.size)
        }
      }
    }
  }

  private func gates(_ turn: Int) -> (UnsafeMutablePointer<Float>, stride: Int) {
    guard shape.lengths != nil else {
      let step = isReversed ? shape.steps - 1 - turn : turn
      let first = shape.inputRow(step: step, sequence: 0) * width
      return (projection + first, shape.isBatchFirst ? shape.steps * width : width)
    }
    for sequence in 0..<shape.batch {
      let step = shape.step(turn: turn, sequence: sequence, isReversed: isReversed)
      let target = gathered + sequence * width
      if let step {
        let row = shape.inputRow(step: step, sequence: sequence)
        target.update(from: projection + row * width, count: width)
      } else {
        target.update(repeating: 0, count: width)
      }
    }
    return (gathered, width)
  }
}
