import COneDNN

/// A primitive of oneDNN for a convolution or transposed convolution of one shape, with what it does
/// to its results and what is left to do.
final class ConvolutionPrimitive: @unchecked Sendable {
  let primitive: Primitive
  private let source: dnnl_memory_desc_t
  private let target: dnnl_memory_desc_t
  private let bias: dnnl_memory_desc_t?
  private let perChannel: dnnl_memory_desc_t
  /// Followers that the primitive does itself; the rest are done afterwards.
  let fused: [Follower]
  let rest: [Follower]
  /// Post-operations without effect before the followers'.
  private let placeholders: Int

  /// Chooses a kernel.
  ///
  /// - Parameter weights: the shape as oneDNN counts it: [groups,] outputs, inputs, window.
  init(
    input: [Int], weights: [Int], output: [Int], hasBias: Bool, window: Window,
    followers: [Follower], isTransposed: Bool
  ) throws {
    source = try .channelsLast(input)
    target = try .channelsLast(output)
    bias = hasBias ? try .rowMajor([output[1]]) : nil
    perChannel = try .rowMajor(
      [1, output[1]] + [Int](repeating: 1, count: output.count - 2))
    // A sum that comes first is done before the bias is added; behind anything else it isn't.
    let startsWithSum = if case .add? = followers.first { hasBias } else { false }
    placeholders = startsWithSum ? 1 : 0
    let chain =
      [PostOperation](repeating: .nothing, count: placeholders)
      + (try followers.map { [perChannel] follower throws -> PostOperation in
        switch follower {
        // Of NaN, oneDNN's ReLU behind a transposed convolution makes NaN, elsewhere 0.
        case .relu: isTransposed ? .clip(low: 0, high: .infinity) : .relu
        case .clip(let low, let high): .clip(low: low, high: high)
        case .add: .sum
        case .scale: .multiply(perChannel)
        case .shift: .add(perChannel)
        }
      })
    let make = { [source, target, bias] (chain: [PostOperation]) throws -> Primitive in
      try Self.primitive(
        source, try .any(weights), bias, target, window, chain, isTransposed: isTransposed)
    }
    // oneDNN 2.6 reads the wrong operand for each channel in three dimensions, and after a
    // transposed convolution takes operands element by element.
    let canFuse =
      output.count <= 4 && !isTransposed
      || followers.allSatisfy { follower in
        switch follower {
        case .scale, .shift: false
        case .add: !isTransposed
        case .relu, .clip: true
        }
      }
    if !followers.isEmpty, canFuse, let joined = try? make(chain), !joined.isSlow {
      primitive = joined
      fused = followers
      rest = []
    } else {
      primitive = try make([])
      fused = []
      rest = followers
    }
  }

  private static func primitive(
    _ source: dnnl_memory_desc_t, _ weights: dnnl_memory_desc_t, _ bias: dnnl_memory_desc_t?,
    _ target: dnnl_memory_desc_t, _ window: Window, _ chain: [PostOperation], isTransposed: Bool
  ) throws -> Primitive {
    var source = source
    var weights = weights
    var target = target
    let strides = window.strides.map { Int64($0) }
    let dilations = window.dilations.map { Int64($0 - 1) }
    let begin = window.begin.map { Int64($0) }
    let end = window.end.map { Int64($0) }
    var bias = bias ?? dnnl_memory_desc_t()
    if isTransposed {
      var operation = dnnl_deconvolution_desc_t()
      try OneDNN.check(
        dnnl_dilated_deconvolution_forward_desc_init(
          &operation, dnnl_forward_inference, dnnl_deconvolution_direct, &source, &weights, &bias,
          &target, strides, dilations, begin, end), "a transposed convolution")
      return try Primitive(operation: &operation, followers: chain)
    }
    var operation = dnnl_convolution_desc_t()
    try OneDNN.check(
      dnnl_dilated_convolution_forward_desc_init(
        &operation, dnnl_forward_inference, dnnl_convolution_direct, &source, &weights, &bias,
        &target, strides, dilations, begin, end), "a convolution")
    return try Primitive(operation: &operation, followers: chain)
  }

  /// Followers' operands for each channel, as arguments.
  func operands(_ call: KernelCall) throws -> [Primitive.Argument] {
    var arguments: [Primitive.Argument] = []
    for (index, follower) in fused.enumerated() {
      switch follower {
      case .relu, .clip, .add: continue
      case .scale(let input), .shift(let input):
        let operand = try call.tensor(input, .float32)
        let part = PostOperation.operandPart(at: index + placeholders)
        arguments.append((part, perChannel, operand.storage.base))
      }
    }
    return arguments
  }

  /// Computes one result into memory with channels last.
  func execute(
    _ input: UnsafeMutableRawPointer, _ weights: UnsafeMutableRawPointer,
    bias biasValues: UnsafeMutableRawPointer?, operands: [Primitive.Argument],
    into result: UnsafeMutableRawPointer, _ pool: BufferPool
  ) throws {
    var arguments =
      operands + [
        (Int32(DNNL_ARG_SRC), source, input), (Int32(DNNL_ARG_WEIGHTS), primitive.weights, weights),
        (Int32(DNNL_ARG_DST), target, result),
      ]
    if let bias, let biasValues { arguments.append((Int32(DNNL_ARG_BIAS), bias, biasValues)) }
    try primitive.execute(arguments, pool)
  }
}

extension Primitive {
  /// Whether oneDNN fell back to a loop without vector instructions.
  var isSlow: Bool { implementation.hasPrefix("ref") || implementation.contains("ref:") }
}
