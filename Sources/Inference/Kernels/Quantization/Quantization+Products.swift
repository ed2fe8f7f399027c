import CKernels
import ModelGraph

extension Families {
  /// Products and convolutions of quantized integers.
  static let integerProducts = [
    integerMatrixProduct, quantizedMatrixProduct, integerConvolution, quantizedConvolution,
    productToFloat, dynamicProduct,
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
      let left = try CenteredOperand(settings, 0, zero: 2, zeroAxis: -2)
      let right = try CenteredOperand(settings, 3, zero: 5, zeroAxis: -1)
      return { call in
        let a = try ScaleParameters.given(call, scale: 1, zero: 2).single()
        let b = try ScaleParameters.given(call, scale: 4, zero: 5)
        let grid = try OutputGrid(call, scale: 6, zero: 7)
        let sums = try IntegerProduct.multiply(
          left.floats(call), right.floats(call), call.context)
        return [
          try grid.requantize(
            sums, scales: b.scales.map { a.scale * $0 / grid.scale }, call.context)
        ]
      }
    })

  private static let quantizedConvolution = OperatorDefinition(
    "QLinearConv", types: "int8, uint8",
    tensors: { settings in
      let input = try CenteredOperand(settings, 0, zero: 2, zeroAxis: -1)
      let weights = try CenteredOperand(settings, 3, zero: 5, zeroAxis: .min / 2)
      let convolution = try IntegerConvolution(settings)
      return { call in
        let x = try ScaleParameters.given(call, scale: 1, zero: 2).single()
        let w = try ScaleParameters.given(call, scale: 4, zero: 5)
        let grid = try OutputGrid(call, scale: 6, zero: 7)
        let sums = try convolution.run(input.floats(call), weights.floats(call), call.context)
        return [
          try grid.requantize(
            channels: sums, scales: w.scales.map { x.scale * $0 / grid.scale },
            bias: call.optional(8), call.context)
        ]
      }
    })

  // MARK: Other domains

  private static let productToFloat = OperatorDefinition(
    "MatMulIntegerToFloat", domain: "com.microsoft", types: "int8, uint8 to float32",
    tensors: { settings in
      let left = try CenteredOperand(settings, 0, zero: 4, zeroAxis: -2)
      let right = try CenteredOperand(settings, 1, zero: 5, zeroAxis: -1)
      return { call in
        let a = try ScaleParameters.given(call, scale: 2, zero: 4).single()
        let b = try ScaleParameters.given(call, scale: 3, zero: 5)
        let sums = try IntegerProduct.multiply(
          left.floats(call), right.floats(call), call.context)
        return [
          try scaled(
            sums, scales: b.scales.map { a.scale * $0 }, bias: call.optional(6), call.context)
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
        return [
          try scaled(
            sums, scales: b.scales.map { scale * $0 }, bias: call.optional(4), call.context)
        ]
      }
    })

  /// Sums as numbers: sum · scale + bias, with a scale and a bias for each column or for all.
  private static func scaled(
    _ sums: Tensor, scales: [Float], bias: Tensor?, _ context: RunContext
  ) throws -> Tensor {
    let columns = sums.shape.last ?? 1
    guard scales.count == 1 || scales.count == columns,
      bias.map({ $0.elementType == .float32 && $0.count == columns }) ?? true
    else { throw KernelProblem("\(scales.count) scales or the bias do not fit \(columns) columns") }
    let result = try context.allocate(.float32, sums.shape)
    let out = result.mutableElements(Float.self)
    let values = sums.elements(Int32.self)
    let shifts = bias?.elements(Float.self)
    for index in 0..<sums.count {
      let column = index % columns
      let scaled = Float(values[index]) * (scales.count == 1 ? scales[0] : scales[column])
      out[index] = shifts.map { scaled + $0[column] } ?? scaled
    }
    return result
  }
}

/// What a quantized operator's results are put on.
struct OutputGrid: Sendable {
  let type: ElementType
  let scale: Float
  let zero: Int32
  private let grid: gs_grid

  /// Reads the scale and the zero point of an output.
  init(_ call: KernelCall, scale: Int, zero: Int, or fallback: ElementType? = nil) throws {
    let parameters = try ScaleParameters.given(call, scale: scale, zero: zero)
    (self.scale, self.zero) = try parameters.single()
    type = parameters.zeroType ?? fallback ?? .uint8
    grid = try type.integerGrid()
  }

  /// The integer of a number, in units of the grid.
  func integer(_ steps: Float) -> Int32 {
    let low = Float(grid.low - zero)
    let high = Float(grid.high - zero)
    let bounded = steps > low ? min(steps, high) : low
    return Int32(bounded.rounded(.toNearestOrEven)) + zero
  }

  /// Sums with one scale, or one for each column.
  func requantize(_ sums: Tensor, scales: [Float], _ context: RunContext) throws -> Tensor {
    let columns = sums.shape.last ?? 1
    guard scales.count == 1 || scales.count == columns else {
      throw KernelProblem("\(scales.count) scales do not fit \(columns) columns")
    }
    let result = try context.allocate(type, sums.shape)
    guard let values = sums.elements(Int32.self).baseAddress else { return result }
    if scales.count == 1 {
      gs_requantize(values, sums.count, 0, scales[0], zero, grid, result.storage.base)
      return result
    }
    scales.withUnsafeBufferPointer { scales in
      guard let base = scales.baseAddress, columns > 0 else { return }
      for row in 0..<sums.count / columns {
        gs_requantize_each(
          values + row * columns, columns, base, zero, grid, result.storage.base + row * columns)
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
