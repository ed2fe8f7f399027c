import ModelGraph

/// QLinearConv: a convolution of 8-bit integers, less their zero points, exact; then a bias in
/// int32, one multiplication by input scale · weight scale / output scale in float32, and rounding.
///
/// Convolutions of integers in float32 are exact while sums stay below 2^24; where weights are
/// constant and so small, oneDNN computes them, else `IntegerConvolution`.
struct QuantizedConvolution: Sendable {
  private let input, weights: CenteredOperand
  private let inFloats: ConvolutionKernel?
  private let inIntegers: IntegerConvolution
  private let known: Result?
  private let isFixedPoint: Bool

  /// How sums become the result's integers.
  private struct Result: Sendable {
    let grid: OutputGrid
    let scales: [Float]
    /// For channels that vary fastest.
    let columns: ColumnScales
    /// The bias in float32; nil unless sums stay exact with it.
    let bias: Tensor?

    /// - Parameter weights: known before any run, and exact in float32.
    init(_ call: KernelCall, exact weights: Tensor? = nil, isFixedPoint: Bool) throws {
      let x = try ScaleParameters.given(call, scale: 1, zero: 2).single()
      let w = try ScaleParameters.given(call, scale: 4, zero: 5)
      let grid = try OutputGrid(call, scale: 6, zero: 7, isFixedPoint: isFixedPoint)
      self.grid = grid
      scales = grid.factors(w.scales.map { x.scale * $0 })
      let biases = try call.optional(8)
      if let weights, let biases, biases.elementType == .int32,
        biases.count == weights.shape[0],
        ExactSums.hold(weights, outputAxis: 0, biases: biases.elements(Int32.self))
      {
        bias = try biases.asFloats(call.context)
      } else {
        bias = nil
      }
      columns = try ColumnScales(
        columns: call.tensor(3).shape.first ?? 1, scales: scales,
        biases: bias == nil ? biases : nil)
    }
  }

  /// Prepares what is constant.
  init(_ settings: NodeSettings) throws {
    let isFixedPoint = try settings.isFixedPoint
    self.isFixedPoint = isFixedPoint
    input = try CenteredOperand(settings, 0, zero: 2, zeroAxis: -1)
    weights = try CenteredOperand(settings, 3, zero: 5, zeroAxis: .min / 2)
    inIntegers = try IntegerConvolution(settings)
    let exact = weights.known.flatMap { known in
      (3...5).contains(known.rank) && known.count > 0 && ExactSums.hold(known, outputAxis: 0)
        ? known : nil
    }
    if let known = exact {
      inFloats = try ConvolutionKernel(
        NodeSettings(
          node: settings.node, version: settings.version, constants: [1: known], inputCount: 3,
          followers: [], nested: settings.nested, versionOf: settings.versionOf))
    } else {
      inFloats = nil
    }
    known = try settings.constantCall(except: 0).map {
      try Result($0, exact: exact, isFixedPoint: isFixedPoint)
    }
  }

  /// Computes the node.
  func run(_ call: KernelCall) throws -> Tensor {
    let result = try known ?? Result(call, isFixedPoint: isFixedPoint)
    let (input, weights) = (try input.floats(call), try weights.floats(call))
    guard let inFloats else {
      let sums = try inIntegers.run(
        input.converted(to: .rowMajor, call.context),
        weights.converted(to: .rowMajor, call.context), call.context)
      return try result.grid.requantize(
        channels: sums, scales: result.scales, bias: call.optional(8), call.context)
    }
    let sums = try inFloats.run(
      KernelCall(
        inputs: [.tensor(input), .tensor(weights), result.bias.map { .tensor($0) }],
        context: call.context, observer: call.observer))
    return try result.grid.requantize(sums, result.columns, call.context)
  }
}
