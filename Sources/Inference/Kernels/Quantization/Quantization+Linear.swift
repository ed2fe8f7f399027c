import CKernels
import ModelGraph

/// What QuantizeLinear and DequantizeLinear nodes say alike.
private struct LinearSettings: Sendable {
  let axis, blockSize: Int
  let isFixedPoint: Bool
  let type: ElementType?
  private let known: ScaleParameters?

  init(_ settings: NodeSettings) throws {
    axis = try settings.int("axis", default: 1)
    blockSize = try settings.int("block_size", default: 0)
    isFixedPoint = try settings.isFixedPoint
    guard blockSize >= 0 else { throw KernelProblem("block_size is \(blockSize), below 0") }
    type = try settings.int("output_dtype").flatMap { $0 == 0 ? nil : ElementType(onnxCode: $0) }
    known = try ScaleParameters.constant(settings, scale: 1, zero: 2)
  }

  func parameters(_ call: KernelCall) throws -> ScaleParameters {
    try known ?? .given(call, scale: 1, zero: 2)
  }

  /// An operator of this kind in one of its two domains.
  static func definition(
    _ name: String, domain: String, types: String,
    _ run: @escaping @Sendable (LinearSettings, KernelCall) throws -> Tensor
  ) -> OperatorDefinition {
    OperatorDefinition(
      name, domain: domain,
      versions: "10: one scale; since 13: an axis; since 21: blocks, 4 and 16 bits", types: types,
      layouts: .any,
      tensors: { node in
        let settings = try LinearSettings(node)
        return { [try run(settings, $0)] }
      })
  }
}

/// QuantizeLinear: integer = saturate(round(x / scale) + zero), halves to even.
enum QuantizeKernel {
  /// The operator in one of its two domains.
  static func definition(domain: String) -> OperatorDefinition {
    LinearSettings.definition(
      "QuantizeLinear", domain: domain,
      types: "float32, float16, bfloat16, int32 to int4, int8, int16, uint4, uint8, uint16", run)
  }

  @Sendable private static func run(
    _ settings: LinearSettings, _ call: KernelCall
  ) throws -> Tensor {
    let parameters = try settings.parameters(call)
    let type = parameters.zeroType ?? settings.type ?? .uint8
    var input = try call.tensor(0)
    if input.elementType == .int32 { input = try input.asFloats(call.context) }
    input = try input.widened(call.context)
    guard input.elementType == .float32 else {
      throw KernelProblem(lacking: "quantizing \(input.elementType.name) is not supported")
    }
    if settings.blockSize > 0 { input = try input.converted(to: .rowMajor, call.context) }
    return try QuantizedIntegers.quantize(
      input, to: type, parameters, axis: settings.axis, blockSize: settings.blockSize,
      isFixedPoint: settings.isFixedPoint, call.context)
  }
}

extension NodeSettings {
  /// Whether numbers get to the result's grid as MindSpore Lite's kernels do it.
  var isFixedPoint: Bool { get throws { try flag(IntegerGroups.fixedPoint) } }
}

/// DequantizeLinear: x = (integer - zero) · scale.
enum DequantizeKernel {
  /// The operator in one of its two domains.
  static func definition(domain: String) -> OperatorDefinition {
    LinearSettings.definition(
      "DequantizeLinear", domain: domain,
      types: "int4, int8, int16, int32, uint4, uint8, uint16 to float32, float16, bfloat16", run)
  }

  @Sendable private static func run(
    _ settings: LinearSettings, _ call: KernelCall
  ) throws -> Tensor {
    let parameters = try settings.parameters(call)
    var input = try call.tensor(0)
    if settings.blockSize > 0 { input = try input.converted(to: .rowMajor, call.context) }
    let result = try QuantizedIntegers.dequantize(
      input, parameters, axis: settings.axis, blockSize: settings.blockSize, call.context)
    return try result.narrowed(to: settings.type ?? parameters.scaleType, call.context)
  }
}

/// Passes from numbers to integers and back.
enum QuantizedIntegers {
  /// Puts float32 numbers on a grid.
  static func quantize(
    _ input: Tensor, to type: ElementType, _ parameters: ScaleParameters, axis: Int = 1,
    blockSize: Int = 0, isFixedPoint: Bool = false, _ context: RunContext
  ) throws -> Tensor {
    var grid = try type.integerGrid()
    if isFixedPoint { grid.rounding = GS_ROUND_FIXED_POINT }
    let runs = try ScaleRuns(input, parameters, axis: axis, blockSize: blockSize)
    let result = try context.allocate(type, input.shape, layout: input.layout)
    let width = type.memoryWidth ?? 1
    try context.forEach(runs.count, cost: runs.length) { [grid] index in
      let run = runs.run(index)
      guard let values = input.elements(Float.self).baseAddress else { return }
      let from = values + run.start
      let to = result.storage.base + run.start * width
      guard run.isEach else {
        gs_quantize_even(
          from, run.count, runs.scales[run.parameter], runs.zeros[run.parameter], grid, to)
        return
      }
      runs.scales.withUnsafeBufferPointer { scales in
        runs.zeros.withUnsafeBufferPointer { zeros in
          guard let scale = scales.baseAddress, let zero = zeros.baseAddress else { return }
          gs_quantize_even_each(
            from, run.count, scale + run.parameter, zero + run.parameter, grid, to)
        }
      }
    }
    return result
  }

  /// The float32 numbers that integers stand for.
  static func dequantize(
    _ input: Tensor, _ parameters: ScaleParameters, axis: Int = 1, blockSize: Int = 0,
    _ context: RunContext
  ) throws -> Tensor {
    let type = try input.elementType.storedInteger()
    if let zeroType = parameters.zeroType, zeroType != input.elementType {
      throw KernelProblem("\(input.elementType.name) cannot have a zero point in \(zeroType.name)")
    }
    let runs = try ScaleRuns(input, parameters, axis: axis, blockSize: blockSize)
    let result = try context.allocate(.float32, input.shape, layout: input.layout)
    let width = input.elementType.memoryWidth ?? 1
    try context.forEach(runs.count, cost: runs.length) { index in
      let run = runs.run(index)
      guard let values = result.mutableElements(Float.self).baseAddress else { return }
      let from = input.storage.base + run.start * width
      let to = values + run.start
      guard run.isEach else {
        gs_dequantize(
          from, type, run.count, runs.scales[run.parameter], runs.zeros[run.parameter], to)
        return
      }
      runs.scales.withUnsafeBufferPointer { scales in
        runs.zeros.withUnsafeBufferPointer { zeros in
          guard let scale = scales.baseAddress, let zero = zeros.baseAddress else { return }
          gs_dequantize_each(
            from, type, run.count, scale + run.parameter, zero + run.parameter, to)
        }
      }
    }
    return result
  }

  /// A grid of 8 bits, without a sign, that holds 0 and all the numbers.
  static func dynamicParameters(_ input: Tensor) -> (scale: Float, zero: UInt8) {
    dynamicParameters(input.elements(Float.self))
  }

  /// Those of some numbers.
  static func dynamicParameters(
    _ numbers: UnsafeBufferPointer<Float>
  ) -> (scale: Float, zero: UInt8) {
    var (low, high): (Float, Float) = (0, 0)
    if let values = numbers.baseAddress, !numbers.isEmpty {
      gs_range(values, numbers.count, &low, &high)
    }
    (low, high) = (min(low, 0), max(high, 0))
    let scale = high == low ? 1 : (high - low) / 255
    let zero = (-low / scale).rounded(.toNearestOrEven)
    return (scale, zero.isFinite ? UInt8(max(0, min(255, zero))) : 0)
  }
}

extension Tensor {
  /// 32-bit integers in float32.
  func asFloats(_ context: RunContext) throws -> Tensor {
    let result = try context.allocate(.float32, shape, layout: layout)
    guard let out = result.mutableElements(Float.self).baseAddress else { return result }
    gs_dequantize(storage.base, try elementType.storedInteger(), count, 1, 0, out)
    return result
  }
}

extension Families {
  /// DynamicQuantizeLinear: quantizes to the range that the numbers take.
  static let dynamicQuantize = OperatorDefinition(
    "DynamicQuantizeLinear", types: "float32 to uint8", layouts: .any,
    tensors: { _ in
      { call in
        let input = try call.tensor(0, .float32)
        let (scale, zero) = QuantizedIntegers.dynamicParameters(input)
        let scales = try call.context.allocate(.float32, [])
        scales.mutableElements(Float.self)[0] = scale
        let zeros = try call.context.allocate(.uint8, [])
        zeros.mutableElements(UInt8.self)[0] = zero
        let parameters = ScaleParameters(scale: scale, zero: Int32(zero), type: .uint8)
        let result = try QuantizedIntegers.quantize(input, to: .uint8, parameters, call.context)
        return [result, scales, zeros]
      }
    })
}
