import CKernels
import Glibc
import ModelGraph

extension Families {
  /// Operators that read 8-bit integers and write 8-bit integers on another grid.
  static let quantizedElementwise = [
    quantizedPair("QLinearAdd", prepareSum, aligned: addAligned),
    quantizedPair("QLinearMul") { a, b, grid in
      let factor = a.scale * b.scale / grid.scale
      return (
        a.patterns.map { $0 - a.zero }, b.patterns.map { $0 - b.zero },
        { grid.integer($0 * $1 * factor) }
      )
    },
    quantizedFunction("QLinearSigmoid") { _ in { 1 / (1 + exp(-$0)) } },
    quantizedFunction("QLinearLeakyRelu") { settings in
      let alpha = try settings.float("alpha", default: 0.01)
      return { $0 >= 0 ? $0 : alpha * $0 }
    },
    quantizedConcat, quantizedMean, quantizedSoftmax,
  ]

  /// The numbers that the 256 patterns of an 8-bit integer stand for.
  private static func numbers(
    _ type: ElementType, _ parameters: ScaleParameters
  ) throws -> [Float] {
    let (scale, zero) = try parameters.single()
    switch type {
    case .uint8: return (0..<256).map { Float($0 - zero) * scale }
    case .int8:
      return (0..<256).map { Float(Int32(Int8(truncatingIfNeeded: $0)) - zero) * scale }
    default: throw KernelProblem("\(type.name) is not an 8-bit integer")
    }
  }

  /// A table from the patterns of one grid to those of another.
  private static func table(_ numbers: [Float], _ grid: OutputGrid) -> [UInt8] {
    numbers.map { UInt8(truncatingIfNeeded: grid.integer($0 / grid.scale)) }
  }

  /// One operand: the integers that its patterns stand for, its scale and its zero point.
  private typealias Side = (patterns: [Float], scale: Float, zero: Float)
  /// What to look up for the patterns of both operands, and the integer that two of these make.
  private typealias Pair = (
    left: [Float], right: [Float], combine: @Sendable (Float, Float) -> Int32
  )

  private static func side(_ type: ElementType, _ parameters: ScaleParameters) throws -> Side {
    let (scale, zero) = try parameters.single()
    let patterns = try numbers(type, ScaleParameters(scale: 1, zero: 0, type: type))
    return (patterns, scale, Float(zero))
  }

  /// How ONNX Runtime adds: multiplications and additions are fused, zero points gathered.
  @Sendable private static func prepareSum(_ a: Side, _ b: Side, _ grid: OutputGrid) -> Pair {
    let sum = QuantizedSum(a, b, grid)
    return (
      a.patterns, b.patterns.map { sum.fixed.addingProduct($0, sum.right) },
      { grid.nearest($1.addingProduct($0, sum.left)) }
    )
  }

  @Sendable private static func addAligned(
    _ a: Side, _ b: Side, _ grid: OutputGrid, _ tensors: (Tensor, Tensor, Tensor)
  ) {
    let sum = QuantizedSum(a, b, grid)
    gs_add_integers(
      tensors.0.storage.base, tensors.1.storage.base, tensors.2.count, sum.left, sum.right,
      sum.fixed, grid.grid, tensors.2.storage.base)
  }

  /// left · a + right · b + fixed is the place of a sum among the result's integers.
  private struct QuantizedSum {
    let left, right, fixed: Float

    init(_ a: Side, _ b: Side, _ grid: OutputGrid) {
      left = a.scale / grid.scale
      right = b.scale / grid.scale
      fixed = Float(grid.zero) - (right * b.zero).addingProduct(left, a.zero)
    }
  }

  /// An operator of two tensors, broadcast.
  ///
  /// - Parameter aligned: does it for tensors of one type, shape and layout: two and the result.
  private static func quantizedPair(
    _ name: String, _ prepare: @escaping @Sendable (Side, Side, OutputGrid) -> Pair,
    aligned: (@Sendable (Side, Side, OutputGrid, (Tensor, Tensor, Tensor)) -> Void)? = nil
  ) -> OperatorDefinition {
    OperatorDefinition(
      name, domain: "com.microsoft", types: "int8, uint8", layouts: .any,
      tensors: { _ in
        { call in
          var (left, right) = (try call.tensor(0), try call.tensor(3))
          let grid = try OutputGrid(call, scale: 6, zero: 7, or: left.elementType)
          let sides = (
            try side(left.elementType, .given(call, scale: 1, zero: 2)),
            try side(right.elementType, .given(call, scale: 4, zero: 5))
          )
          if let aligned, left.shape == right.shape, left.elementType == right.elementType,
            left.elementType == grid.type
          {
            right = try right.converted(to: left.layout, call.context)
            let result = try call.context.allocate(grid.type, left.shape, layout: left.layout)
            aligned(sides.0, sides.1, grid, (left, right, result))
            return [result]
          }
          left = try left.converted(to: .rowMajor, call.context)
          right = try right.converted(to: .rowMajor, call.context)
          let pair = prepare(sides.0, sides.1, grid)
          let shape = try broadcastShape(left.shape, right.shape)
          guard TensorData.elementCount(of: shape) != nil else {
            throw KernelProblem("the result would have the shape \(shape)")
          }
          let result = try call.context.allocate(grid.type, shape)
          let out = result.mutableElements(UInt8.self)
          let (a, b) = (left.elements(UInt8.self), right.elements(UInt8.self))
          let strides = [left, right].map { broadcastStrides($0.shape, to: shape) }
          let (width, steps) = (shape.last ?? 1, strides.map { $0.last ?? 0 })
          forEachRow(shape, strides: strides) { row, offsets in
            for index in 0..<width {
              let x = pair.left[Int(a[offsets[0] + index * steps[0]])]
              let y = pair.right[Int(b[offsets[1] + index * steps[1]])]
              out[row * width + index] = UInt8(truncatingIfNeeded: pair.combine(x, y))
            }
          }
          return [result]
        }
      })
  }

  /// An operator that applies a function to each number.
  private static func quantizedFunction(
    _ name: String,
    _ prepare: @escaping @Sendable (NodeSettings) throws -> @Sendable (Float) -> Float
  ) -> OperatorDefinition {
    OperatorDefinition(
      name, domain: "com.microsoft", types: "int8, uint8", layouts: .any,
      tensors: { settings in
        let function = try prepare(settings)
        return { call in
          let input = try call.tensor(0)
          let grid = try OutputGrid(call, scale: 3, zero: 4, or: input.elementType)
          let numbers = try numbers(input.elementType, .given(call, scale: 1, zero: 2))
          let table = table(numbers.map(function), grid)
          let result = try call.context.allocate(grid.type, input.shape, layout: input.layout)
          let (out, values) = (result.mutableElements(UInt8.self), input.elements(UInt8.self))
          for index in 0..<input.count { out[index] = table[Int(values[index])] }
          return [result]
        }
      })
  }

  private static let quantizedConcat = OperatorDefinition(
    "QLinearConcat", domain: "com.microsoft", types: "int8, uint8",
    tensors: { settings in
      guard let axis = try settings.int("axis"), settings.node.inputs.count >= 5,
        settings.node.inputs.count % 3 == 2
      else { throw KernelProblem("an axis or inputs in threes are missing") }
      let parts = (settings.node.inputs.count - 2) / 3
      return { call in
        let inputs = try (0..<parts).map { try call.tensor(2 + 3 * $0) }
        let grid = try OutputGrid(call, scale: 0, zero: 1, or: inputs[0].elementType)
        let axis = try resolvedAxis(axis, rank: inputs[0].rank)
        var shape = inputs[0].shape
        shape[axis] = 0
        for input in inputs {
          var rest = input.shape
          guard input.rank == shape.count else {
            throw KernelProblem("\(rest) and \(shape) do not concatenate")
          }
          rest[axis] = shape[axis]
          guard rest == shape else {
            throw KernelProblem("\(rest) and \(shape) do not concatenate")
          }
          shape[axis] += input.shape[axis]
        }
        let result = try call.context.allocate(grid.type, shape)
        var place = StridedPlace(result)
        for (index, input) in inputs.enumerated() {
          let parameters = try ScaleParameters.given(
            call, scale: 3 + 3 * index, zero: 4 + 3 * index)
          let table = table(try numbers(input.elementType, parameters), grid)
          let moved = try call.context.allocate(grid.type, input.shape)
          let (out, values) = (moved.mutableElements(UInt8.self), input.elements(UInt8.self))
          for index in 0..<input.count { out[index] = table[Int(values[index])] }
          copyBlock(input.shape, from: moved, StridedPlace(moved), to: result, place)
          place.offset += input.shape[axis] * place.strides[axis]
        }
        return [result]
      }
    })

  private static let quantizedMean = OperatorDefinition(
    "QLinearGlobalAveragePool", domain: "com.microsoft", types: "int8, uint8",
    tensors: { settings in
      let isLast = try settings.flag("channels_last")
      return { call in
        let input = try call.tensor(0)
        guard input.rank >= 3 else { throw KernelProblem("\(input.shape) has no spatial axes") }
        let (scale, zero) = try ScaleParameters.given(call, scale: 1, zero: 2).single()
        let grid = try OutputGrid(call, scale: 3, zero: 4, or: input.elementType)
        let channels = isLast ? input.shape[input.rank - 1] : input.shape[1]
        let ones = [Int](repeating: 1, count: input.rank - 2)
        let result = try call.context.allocate(
          grid.type, [input.shape[0]] + (isLast ? ones + [channels] : [channels] + ones))
        let spatial = isLast ? input.shape[1..<input.rank - 1] : input.shape[2...]
        let positions = spatial.reduce(1, *)
        let isSigned = input.elementType == .int8
        let (out, values) = (result.mutableElements(UInt8.self), input.elements(UInt8.self))
        for place in 0..<result.count {
          let (sample, channel) = place.quotientAndRemainder(dividingBy: channels)
          let first = isLast ? sample * positions * channels + channel : place * positions
          let step = isLast ? channels : 1
          var sum = 0
          for position in 0..<positions {
            let pattern = values[first + position * step]
            sum += isSigned ? Int(Int8(bitPattern: pattern)) : Int(pattern)
          }
          let mean = Float(sum - positions * Int(zero)) * (scale / (Float(positions) * grid.scale))
          out[place] = UInt8(truncatingIfNeeded: grid.integer(mean))
        }
        return [result]
      }
    })

  private static let quantizedSoftmax = OperatorDefinition(
    "QLinearSoftmax", domain: "com.microsoft",
    versions: "the attribute opset: axes are merged before 13", types: "int8, uint8",
    tensors: { settings in
      let isMerged = try settings.int("opset", default: 13) < 13
      let axis = try settings.int("axis", default: -1)
      return { call in
        let input = try call.tensor(0)
        let axis = try resolvedAxis(axis, rank: input.rank)
        let grid = try OutputGrid(call, scale: 3, zero: 4, or: input.elementType)
        let numbers = try numbers(input.elementType, .given(call, scale: 1, zero: 2))
        let result = try call.context.allocate(grid.type, input.shape)
        let extent = isMerged ? input.shape[axis...].reduce(1, *) : input.shape[axis]
        let inner = isMerged ? 1 : input.shape[(axis + 1)...].reduce(1, *)
        let (out, values) = (result.mutableElements(UInt8.self), input.elements(UInt8.self))
        guard input.count > 0 else { return [result] }
        for line in 0..<input.count / extent {
          let first = line / inner * extent * inner + line % inner
          let places = stride(from: first, to: first + extent * inner, by: inner)
          let largest = places.reduce(-Float.infinity) { max($0, numbers[Int(values[$1])]) }
          let sum = places.reduce(Float(0)) { $0 + exp(numbers[Int(values[$1])] - largest) }
          for place in places {
            let share = exp(numbers[Int(values[place])] - largest) / sum
            out[place] = UInt8(truncatingIfNeeded: grid.integer(share / grid.scale))
          }
        }
        return [result]
      }
    })
}
