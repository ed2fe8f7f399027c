import CKernels
import ModelGraph

extension Families {
  /// Products and convolutions of quantized integers.
  static let integerProducts = [
    integerMatrixProduct, quantizedMatrixProduct, integerConvolution, quantizedConvolution,
    productToFloat, generalProduct, dynamicProduct,
  ]

  private static let integerMatrixProduct = OperatorDefinition(
    "MatMulInteger", types: "int8, uint8 to int32",
    tensors: { settings in
      let left = try CenteredOperand(settings, 0, zero: 2, zeroAxis: -2)
      let right = try CenteredOperand(settings, 1, zero: 3, zeroAxis: -1)
      return { call in
        [try IntegerProduct.multiply(left.floats(call), right.floats(call), call.context)]
      }
    })

  private static let integerConvolution = OperatorDefinition(
    "ConvInteger", types: "int8, uint8 to int32",
    tensors: { settings in
      let input = try CenteredOperand(settings, 0, zero: 2, zeroAxis: -1)
      let weights = try CenteredOperand(settings, 1, zero: 3, zeroAxis: .min / 2)
      let convolution = try IntegerConvolution(settings)
      return { call in
        [try convolution.run(input.floats(call), weights.floats(call), call.context)]
      }
    })

  private static let quantizedMatrixProduct = OperatorDefinition(
    "QLinearMatMul", versions: "10; since 21 the same for more types of scales",
    types: "int8, uint8",
    tensors: { settings in
      let product = try QuantizedProduct(settings, left: (0, zero: 2), right: (3, zero: 5))
      let isFixedPoint = try settings.isFixedPoint
      return { call in
        let a = try ScaleParameters.given(call, scale: 1, zero: 2).single()
        let b = try ScaleParameters.given(call, scale: 4, zero: 5)
        let grid = try OutputGrid(call, scale: 6, zero: 7, isFixedPoint: isFixedPoint)
        let sums = try product.sums(call)
        let columns = try ColumnScales(
          columns: sums.shape.last ?? 1, scales: grid.factors(b.scales.map { a.scale * $0 }),
          biases: call.optional(8))
        return [try grid.requantize(sums, columns, call.context)]
      }
    })

  private static let quantizedConvolution = OperatorDefinition(
    "QLinearConv", types: "int8, uint8", layouts: .any,
    tensors: { settings in
      let convolution = try QuantizedConvolution(settings)
      return { [try convolution.run($0)] }
    })

  // MARK: Other domains

  private static let productToFloat = OperatorDefinition(
    "MatMulIntegerToFloat", domain: "com.microsoft", types: "int8, uint8 to float32",
    tensors: { settings in
      let product = try QuantizedProduct(settings, left: (0, zero: 4), right: (1, zero: 5))
      return { call in
        let a = try ScaleParameters.given(call, scale: 2, zero: 4).single()
        let b = try ScaleParameters.given(call, scale: 3, zero: 5)
        let sums = try product.sums(call)
        let columns = try ColumnScales(
          columns: sums.shape.last ?? 1, scales: b.scales.map { a.scale * $0 },
          terms: call.optional(6))
        return [try columns.numbers(sums, call.context)]
      }
    })

  private static let generalProduct = OperatorDefinition(
    "QGemm", domain: "com.microsoft", types: "int8, uint8; int8, uint8 or float32 out",
    tensors: { settings in
      let alpha = try settings.float("alpha", default: 1)
      let product = try QuantizedProduct(
        settings, left: (0, zero: 2), right: (3, zero: 5),
        isLeftTransposed: settings.flag("transA"), isRightTransposed: settings.flag("transB"))
      let isFixedPoint = try settings.isFixedPoint
      return { call in
        let a = try ScaleParameters.given(call, scale: 1, zero: 2).single()
        let b = try ScaleParameters.given(call, scale: 4, zero: 5)
        let sums = try product.sums(call)
        let grid =
          call.has(7)
          ? try OutputGrid(call, scale: 7, zero: 8, isFixedPoint: isFixedPoint) : nil
        let scales = b.scales.map { alpha * a.scale * $0 }
        let columns = try ColumnScales(
          columns: sums.shape.last ?? 1, scales: grid?.factors(scales) ?? scales,
          biases: call.optional(6))
        return [
          try grid?.requantize(sums, columns, call.context)
            ?? columns.numbers(sums, call.context)
        ]
      }
    })

  private static let dynamicProduct = OperatorDefinition(
    "DynamicQuantizeMatMul", domain: "com.microsoft", types: "float32, int8, uint8",
    tensors: { settings in
      let right = try CenteredOperand(settings, 1, zero: 3, zeroAxis: -1)
      return { call in
        let input = try call.tensor(0, .float32)
        let (scale, zero) = QuantizedIntegers.dynamicParameters(input)
        let parameters = ScaleParameters(scale: scale, zero: Int32(zero), type: .uint8)
        let left = try QuantizedIntegers.dequantize(
          QuantizedIntegers.quantize(input, to: .uint8, parameters, call.context),
          ScaleParameters(scale: 1, zero: Int32(zero), type: .uint8), call.context)
        let b = try ScaleParameters.given(call, scale: 2, zero: 3)
        let sums = try IntegerProduct.multiply(left, right.floats(call), call.context)
        let columns = try ColumnScales(
          columns: sums.shape.last ?? 1, scales: b.scales.map { scale * $0 },
          terms: call.optional(4))
        return [try columns.numbers(sums, call.context)]
      }
    })
}

/// What a quantized operator's results are put on.
struct OutputGrid: Sendable {
  let type: ElementType
  let scale: Float
  let zero: Int32
  let grid: gs_grid

  /// Reads the scale and the zero point of an output.
  init(
    _ call: KernelCall, scale: Int, zero: Int, or fallback: ElementType? = nil,
    isFixedPoint: Bool = false
  ) throws {
    let parameters = try ScaleParameters.given(call, scale: scale, zero: zero)
    (self.scale, self.zero) = try parameters.single()
    type = parameters.zeroType ?? fallback ?? .uint8
    var grid = try type.integerGrid()
    if isFixedPoint { grid.rounding = GS_ROUND_FIXED_POINT }
    grid.step = self.scale
    self.grid = grid
  }

  /// What the kernels multiply sums by, from the scales of sums: in fixed point they divide by the
  /// grid's step themselves.
  func factors(_ scales: [Float]) -> [Float] {
    grid.rounding == GS_ROUND_FIXED_POINT ? scales : scales.map { $0 / scale }
  }

  /// The integer of a number, in units of the grid.
  func integer(_ steps: Float) -> Int32 {
    let low = Float(grid.low - zero)
    let high = Float(grid.high - zero)
    let bounded = steps > low ? min(steps, high) : low
    return Int32(bounded.rounded(.toNearestOrEven)) + zero
  }

  /// The integer nearest to a number of steps that counts from the integer 0.
  func nearest(_ place: Float) -> Int32 {
    let bounded = place > Float(grid.low) ? min(place, Float(grid.high)) : Float(grid.low)
    return Int32(bounded.rounded(.toNearestOrEven))
  }

  /// Sums with a scale and a bias for each column.
  ///
  /// - Parameter sums: int32, or float32 that hold integers below 2^24; columns vary fastest.
  func requantize(
    _ sums: Tensor, _ columns: ColumnScales, _ context: RunContext
  ) throws -> Tensor {
    let result = try context.allocate(type, sums.shape, layout: sums.layout)
    let (out, zero, grid) = (result.storage, zero, grid)
    try columns.forEachPart(of: sums, context) { start, count, biases, scales, _ in
      if sums.elementType == .float32 {
        let values = sums.elements(Float.self).baseAddress.map { $0 + start }
        gs_requantize_sums(
          values, count, columns.hasBiases ? biases : nil, scales, zero, grid, out.base + start)
      } else {
        let values = sums.elements(Int32.self).baseAddress.map { $0 + start }
        gs_requantize_each(values, count, biases, scales, zero, grid, out.base + start)
      }
    }
    return result
  }

  /// Sums with a scale and a bias for each channel.
  func requantize(
    channels sums: Tensor, scales: [Float], bias: Tensor?, _ context: RunContext
  ) throws -> Tensor {
    let channels = sums.shape[1]
    guard scales.count == 1 || scales.count == channels,
      bias.map({ $0.elementType == .int32 && $0.count == channels }) ?? true
    else {
      throw KernelProblem("\(scales.count) scales or the bias do not fit \(channels) channels")
    }
    let result = try context.allocate(type, sums.shape)
    let positions = sums.shape[2...].reduce(1, *)
    let shifts = bias?.elements(Int32.self)
    guard let values = sums.elements(Int32.self).baseAddress else { return result }
    for plane in 0..<sums.shape[0] * channels {
      let channel = plane % channels
      gs_requantize(
        values + plane * positions, positions, shifts?[channel] ?? 0,
        scales.count == 1 ? scales[0] : scales[channel], zero, grid,
        result.storage.base + plane * positions)
    }
    return result
  }
}
