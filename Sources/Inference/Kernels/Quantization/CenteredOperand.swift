import CKernels
import ModelGraph

/// One side of a product of 8-bit integers: in float32, with the zero point taken off, so that
/// products of these numbers and not too long sums of them are exact.
struct CenteredOperand: Sendable {
  private let index, zeroIndex: Int
  /// The axis, counted from the last, along which zero points differ.
  private let zeroAxis: Int
  /// The centered integers, if they are constant.
  let known: Tensor?

  /// An operand of a node; prepared once if it is constant.
  init(_ settings: NodeSettings, _ index: Int, zero: Int, zeroAxis: Int) throws {
    self.index = index
    zeroIndex = zero
    self.zeroAxis = zeroAxis
    guard let tensor = settings.constants[index],
      !settings.hasInput(zero) || settings.constants[zero] != nil
    else {
      known = nil
      return
    }
    let context = RunContext(pool: BufferPool(), workers: .init(threads: 1))
    known = try Self.centered(tensor, settings.constants[zero], zeroAxis, context)
  }

  /// The operand's integers, less their zero points, in float32.
  func floats(_ call: KernelCall) throws -> Tensor {
    try known
      ?? Self.centered(call.tensor(index), call.optional(zeroIndex), zeroAxis, call.context)
  }

  private static func centered(
    _ tensor: Tensor, _ zero: Tensor?, _ zeroAxis: Int, _ context: RunContext
  ) throws -> Tensor {
    guard tensor.elementType == .int8 || tensor.elementType == .uint8 else {
      throw KernelProblem("\(tensor.elementType.name) is not an 8-bit integer")
    }
    let ones = try context.allocate(.float32, zero?.shape ?? [])
    ones.mutableElements(Float.self).update(repeating: 1)
    let axis = max(0, tensor.rank + zeroAxis)
    return try QuantizedIntegers.dequantize(
      tensor, try ScaleParameters(scale: ones, zero: zero), axis: axis, context)
  }
}

/// Products of matrices of integers, exact in 32 bits.
enum IntegerProduct {
  /// Multiplies as MatMul does.
  static func multiply(_ left: Tensor, _ right: Tensor, _ context: RunContext) throws -> Tensor {
    let shapes = try ProductShapes(left.shape, right.shape)
    let result = try context.allocate(.int32, shapes.result)
    let lefts = sampleOffsets(shapes.leftBatch, shapes.batch, size: shapes.rows * shapes.inner)
    let rights = sampleOffsets(
      shapes.rightBatch, shapes.batch, size: shapes.inner * shapes.columns)
    let rowsAtOnce = 96
    let chunks = (shapes.rows + rowsAtOnce - 1) / rowsAtOnce
    let cost = min(shapes.rows, rowsAtOnce) * shapes.columns * shapes.inner / 16 + 1
    try context.forEach(lefts.count * chunks, cost: cost) { item in
      let (sample, chunk) = item.quotientAndRemainder(dividingBy: chunks)
      let row = chunk * rowsAtOnce
      guard let a = left.elements(Float.self).baseAddress,
        let b = right.elements(Float.self).baseAddress,
        let c = result.mutableElements(Int32.self).baseAddress
      else { return }
      gs_matmul_exact(
        min(shapes.rows - row, rowsAtOnce), shapes.columns, shapes.inner,
        a + lefts[sample] + row * shapes.inner, shapes.inner, 1, b + rights[sample],
        shapes.columns, 1, c + (sample * shapes.rows + row) * shapes.columns, shapes.columns)
    }
    return result
  }

  /// Where each sample's matrix starts in an operand whose batch is broadcast.
  private static func sampleOffsets(_ batch: [Int], _ target: [Int], size: Int) -> [Int] {
    let strides = broadcastStrides(batch, to: target)
    let dense = elementStrides(target)
    return (0..<target.reduce(1, *)).map { sample in
      target.indices.reduce(0) { offset, axis in
        offset + sample / dense[axis] % target[axis] * strides[axis] * size
      }
    }
  }
}
