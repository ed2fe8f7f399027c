import ModelGraph

/// FusedMatMul: a matrix product of possibly transposed operands, times a number.
struct FusedProduct: Sendable {
  /// The operator.
  static let definition = OperatorDefinition(
    "FusedMatMul", domain: "com.microsoft", types: "float32, float16, float64",
    tensors: { settings in
      let product = try FusedProduct(settings)
      return wideningHalves { [try product.run($0)] }
    })

  private let isTransposed: [Bool]
  private let factor: Float

  private init(_ settings: NodeSettings) throws {
    isTransposed = [try settings.flag("transA"), try settings.flag("transB")]
    factor = try settings.float("alpha", default: 1)
    guard try !settings.flag("transBatchA"), try !settings.flag("transBatchB") else {
      throw KernelProblem(lacking: "operands with transposed batches are not supported")
    }
  }

  private func run(_ call: KernelCall) throws -> Tensor {
    let operands = [try call.tensor(0), try call.tensor(1)]
    let isSwapped = zip(operands, isTransposed).map { $1 && $0.rank >= 2 }
    let seen = zip(operands, isSwapped).map { operand, isSwapped in
      var shape = operand.shape
      if isSwapped { shape.swapAt(shape.count - 1, shape.count - 2) }
      return shape
    }
    let shapes = try ProductShapes(seen[0], seen[1])
    let samples = shapes.batch.reduce(1, *)
    let dense = try zip(operands, [shapes.leftBatch, shapes.rightBatch]).map { operand, batch in
      try repeated(operand, batch, shapes.batch, call.context)
    }
    func strides(_ side: Int, rows: Int, columns: Int) -> BatchedProduct.Strides {
      let isOne = dense[side].count < samples * rows * columns
      return isSwapped[side]
        ? .init(sample: isOne ? 0 : rows * columns, row: 1, column: rows)
        : .init(sample: isOne ? 0 : rows * columns, row: columns, column: 1)
    }
    let product = BatchedProduct(
      samples: samples, rows: shapes.rows, columns: shapes.columns, depth: shapes.inner,
      left: strides(0, rows: shapes.rows, columns: shapes.inner),
      right: strides(1, rows: shapes.inner, columns: shapes.columns))
    let result = try product.multiply(dense[0], dense[1], shape: shapes.result, call.context)
    guard factor != 1 else { return result }
    if result.elementType == .float64 {
      let out = result.mutableElements(Double.self)
      for index in 0..<result.count { out[index] *= Double(factor) }
    } else {
      let out = result.mutableElements(Float.self)
      for index in 0..<result.count { out[index] *= factor }
    }
    return result
  }

  /// An operand with as many matrices as the result; or with one, for all.
  private func repeated(
    _ operand: Tensor, _ batch: [Int], _ target: [Int], _ context: RunContext
  ) throws -> Tensor {
    guard operand.elementType == .float32 || operand.elementType == .float64 else {
      throw KernelProblem(lacking: "products of \(operand.elementType.name) are not supported")
    }
    let samples = batch.reduce(1, *)
    if samples == target.reduce(1, *) || samples == 1 { return operand }
    let matrix = Array(operand.shape.suffix(2))
    let size = matrix.reduce(1, *)
    guard TensorData.elementCount(of: target + matrix) != nil else {
      throw KernelProblem("\(target) matrices \(matrix) are too many")
    }
    let result = try context.allocate(operand.elementType, target + matrix)
    let strides = broadcastStrides(batch, to: target).map { $0 * size } + [matrix[1], 1]
    copyBlock(
      target + matrix, from: operand, StridedPlace(strides: strides), to: result,
      StridedPlace(result))
    return result
  }
}
