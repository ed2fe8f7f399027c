import CKernels
import COneDNN

/// A convolution or transposed convolution made ready for one shape of input: in one piece, or in
/// pieces that workers can share.
final class PreparedConvolution: @unchecked Sendable {
  private let pieces: [ConvolutionPiece]
  private let primitives: [ConvolutionPrimitive]

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
    var primitives = try pieces.map(make)
    // Pieces have to agree on what is done where.
    if primitives.contains(where: {
      $0.rest != primitives[0].rest || !$0.primitive.weights.equals(primitives[0].primitive.weights)
    }) {
      pieces = [whole]
      primitives = [try make(whole)]
    }
    self.pieces = pieces
    self.primitives = primitives
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
      try call.context.forEach(pieces.count, cost: 1 << 20) { try run($0) }
    }
    return try Self.apply(first.rest, to: result, call)
  }

  /// Does what the primitive couldn't: followers one after the other, in place.
  static func apply(
    _ followers: [Follower], to result: Tensor, _ call: KernelCall
  ) throws -> Tensor {
    let out = result.mutableElements(Float.self)
    let channels = result.shape[1]
    for follower in followers {
      switch follower {
      case .relu: gs_apply(GS_RELU, out.baseAddress, out.count, 0, 0, out.baseAddress)
      case .clip(let low, let high):
        gs_apply(GS_CLIP, out.baseAddress, out.count, low, high, out.baseAddress)
      case .add(let input):
        let operand = try ResultMemory.operand(
          input, shape: result.shape, layout: result.layout, call
        ).elements(Float.self)
        for index in 0..<out.count { out[index] += operand[index] }
      case .scale(let input):
        let factors = try call.tensor(input, .float32).elements(Float.self)
        for index in 0..<out.count { out[index] *= factors[index % channels] }
      case .shift(let input):
        let terms = try call.tensor(input, .float32).elements(Float.self)
        for index in 0..<out.count { out[index] += terms[index % channels] }
      }
    }
    return result
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
