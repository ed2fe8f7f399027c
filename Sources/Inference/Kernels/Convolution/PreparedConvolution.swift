import CKernels
import COneDNN

/// A convolution or transposed convolution made ready for one shape of input: in one piece, or in
/// pieces that workers can share.
final class PreparedConvolution: @unchecked Sendable {
  private let pieces: [ConvolutionPiece]
  private let primitives: [ConvolutionPrimitive]
  /// Multiply-adds of a piece.
  private let cost: Int

  /// Chooses kernels.
  ///
  /// - Parameter weights: the shape as oneDNN counts it: [groups,] outputs, inputs, window.
  init(
    input: [Int], weights: [Int], output: [Int], hasBias: Bool, window: Window,
    followers: [Follower], isTransposed: Bool
  ) throws {
    let whole = ConvolutionPiece(input: input, output: output, window: window)
    var pieces =
      isTransposed ? [whole] : ConvolutionPiece.split(whole, weights: weights.reduce(1, *))
    let make = { (piece: ConvolutionPiece) throws in
      try ConvolutionPrimitive(
        input: piece.input, weights: weights, output: piece.output, hasBias: hasBias,
        window: piece.window, followers: followers, isTransposed: isTransposed)
    }
    var primitives: [ConvolutionPrimitive] = []
    for (index, piece) in pieces.enumerated() {
      let isLikeTheLast = index > 0 && piece.hasShapes(of: pieces[index - 1])
      primitives.append(try isLikeTheLast ? primitives[index - 1] : make(piece))
    }
    // Pieces have to agree on what is done where.
    if primitives.contains(where: {
      $0.rest != primitives[0].rest || !$0.primitive.weights.equals(primitives[0].primitive.weights)
    }) {
      pieces = [whole]
      primitives = [try make(whole)]
    }
    self.pieces = pieces
    self.primitives = primitives
    cost = pieces[0].output[2...].reduce(weights.reduce(1, *), *)
  }

  /// The order in which the kernels want the weights.
  var weights: dnnl_memory_desc_t { primitives[0].primitive.weights }

  /// Weights that aren't constant, in the kernels' order.
  func pack(
    _ weights: Tensor, as plain: dnnl_memory_desc_t, _ context: RunContext
  ) throws -> Storage {
    let storage = try context.allocate(.uint8, [self.weights.byteCount]).storage
    try Primitive.reorder(plain, weights.storage.base, to: self.weights, storage.base)
    return storage
  }

  /// Computes the result from an input with channels last.
  ///
  /// - Throws: `FollowerMismatch` where a term to add has another shape than the result.
  func run(
    _ input: Tensor, _ weights: Storage, _ bias: Tensor?, output: [Int], _ call: KernelCall
  ) throws -> Tensor {
    let first = primitives[0]
    for case .add(let input) in first.rest {
      _ = try ResultMemory.operand(input, shape: output, layout: .channelsLast, call)
    }
    let result = try ResultMemory.allocate(output, layout: .channelsLast, for: first.fused, call)
    let operands = try first.operands(call)
    let run = PieceRun(
      pieces: pieces, primitives: primitives, operands: operands, input: input.storage.base,
      weights: weights.base, bias: bias?.storage.base, result: result.storage.base,
      pool: call.context.pool)
    if pieces.count == 1 {
      try run(0)
    } else {
      try call.context.forEach(pieces.count, cost: cost) { try run($0) }
    }
    return try Self.apply(first.rest, to: result, call)
  }

  /// Elements that all followers are applied to before the next ones, so that they stay in the
  /// first-level cache.
  private static let share = 1 << 12

  /// Does what the primitive couldn't, in place: followers one after the other.
  static func apply(
    _ followers: [Follower], to result: Tensor, _ call: KernelCall
  ) throws -> Tensor {
    guard !followers.isEmpty, result.count > 0 else { return result }
    let operands = try followers.map { follower -> UnsafeMutableRawPointer? in
      switch follower {
      case .relu, .clip: nil
      case .add(let input):
        try ResultMemory.operand(input, shape: result.shape, layout: result.layout, call)
          .storage.base
      case .scale(let input), .shift(let input): try call.tensor(input, .float32).storage.base
      }
    }
    let channels = result.shape[1]
    let rows = result.count / channels
    let rowsAtOnce = max(1, share / channels)
    let parts = (rows + rowsAtOnce - 1) / rowsAtOnce
    nonisolated(unsafe) let (operandBases, base) = (operands, result.storage.base)
    try call.context.forEach(parts, cost: rowsAtOnce * channels * followers.count) { part in
      let row = part * rowsAtOnce
      for (follower, operand) in zip(followers, operandBases) {
        apply(
          follower, operand, to: base.assumingMemoryBound(to: Float.self) + row * channels,
          offset: row * channels, rows: min(rowsAtOnce, rows - row), channels)
      }
    }
    return result
  }

  private static func apply(
    _ follower: Follower, _ operand: UnsafeMutableRawPointer?,
    to out: UnsafeMutablePointer<Float>, offset: Int, rows: Int, _ channels: Int
  ) {
    let own = gs_operand(base: out, row: channels, column: 1)
    let perChannel = gs_operand(base: operand, row: 0, column: 1)
    switch follower {
    case .relu: gs_apply(GS_RELU, out, rows * channels, 0, 0, out)
    case .clip(let low, let high): gs_apply(GS_CLIP, out, rows * channels, low, high, out)
    case .add:
      let other = operand.map { $0 + offset * MemoryLayout<Float>.size }
      gs_combine(
        GS_ADD, GS_FLOAT32, 1, rows * channels, own, gs_operand(base: other, row: 0, column: 1),
        out)
    case .scale: gs_combine(GS_MULTIPLY, GS_FLOAT32, rows, channels, own, perChannel, out)
    case .shift: gs_combine(GS_ADD, GS_FLOAT32, rows, channels, own, perChannel, out)
    }
  }
}

/// What workers need to compute pieces.
private struct PieceRun: @unchecked Sendable {
  let pieces: [ConvolutionPiece]
  let primitives: [ConvolutionPrimitive]
  let operands: [Primitive.Argument]
  let input: UnsafeMutableRawPointer
  let weights: UnsafeMutableRawPointer
  let bias: UnsafeMutableRawPointer?
  let result: UnsafeMutableRawPointer
  let pool: BufferPool

  func callAsFunction(_ index: Int) throws {
    try primitives[index].execute(
      input + 4 * pieces[index].inputOffset, weights, bias: bias, operands: operands,
      into: result + 4 * pieces[index].outputOffset, pool)
  }
}
