import CKernels
import ModelGraph

/// A product of matrices of 8-bit integers, less their zero points, exact.
struct QuantizedProduct: Sendable {
  /// Where a node has an operand and its zero point.
  typealias Place = (index: Int, zero: Int)

  private let left, right: CenteredOperand
  private let isLeftTransposed, isRightTransposed: Bool
  private let constant: ConstantProduct?

  /// Prepares a constant right operand.
  init(
    _ settings: NodeSettings, left: Place, right: Place, isLeftTransposed: Bool = false,
    isRightTransposed: Bool = false
  ) throws {
    self.left = try CenteredOperand(settings, left.index, zero: left.zero, zeroAxis: -2)
    self.right = try CenteredOperand(
      settings, right.index, zero: right.zero, zeroAxis: isRightTransposed ? -2 : -1)
    self.isLeftTransposed = isLeftTransposed
    self.isRightTransposed = isRightTransposed
    if let weights = self.right.known, weights.rank == 2, weights.count > 0,
      ExactSums.hold(weights, outputAxis: isRightTransposed ? 0 : 1)
    {
      constant = ConstantProduct(weights, isTransposed: isRightTransposed)
    } else {
      constant = nil
    }
  }

  /// The sums, row-major: in float32 where that is exact, else in int32.
  func sums(_ call: KernelCall) throws -> Tensor {
    var left = try left.floats(call)
    let right = try right.floats(call)
    if isLeftTransposed { left = try transposed(left, call.context) }
    guard let constant, left.count > 0 else {
      return try IntegerProduct.multiply(
        left, isRightTransposed ? transposed(right, call.context) : right, call.context)
    }
    let stored = isRightTransposed ? Array(right.shape.reversed()) : right.shape
    let shapes = try ProductShapes(left.shape, stored)
    return try constant.run(left, bias: nil, followers: [], shape: shapes.result, call)
  }

  private func transposed(_ matrix: Tensor, _ context: RunContext) throws -> Tensor {
    guard matrix.rank == 2 else { throw KernelProblem("\(matrix.shape) is not a matrix") }
    let (rows, columns) = (matrix.shape[0], matrix.shape[1])
    let result = try context.allocate(.float32, [columns, rows])
    gs_transpose_strided(
      matrix.storage.base, columns * 4, result.storage.base, rows * 4, rows, columns, 4)
    return result
  }
}

/// Sums of products of 8-bit integers in float32.
enum ExactSums {
  /// Whether all sums of products of these weights with 8-bit integers, in any order, stay below
  /// 2^24, so that float32 holds them exactly.
  ///
  /// - Parameters:
  ///   - weights: integers in float32, less their zero points.
  ///   - outputAxis: the axis that isn't summed over.
  ///   - biases: what is added to the sums, for each place of that axis.
  static func hold(
    _ weights: Tensor, outputAxis: Int, biases: UnsafeBufferPointer<Int32>? = nil
  ) -> Bool {
    let extent = weights.shape[outputAxis]
    let inner = weights.shape[(outputAxis + 1)...].reduce(1, *)
    let values = weights.elements(Float.self)
    var sums = [Int](repeating: 0, count: extent)
    for start in stride(from: 0, to: values.count, by: inner) {
      let output = start / inner % extent
      for index in start..<start + inner { sums[output] += Int(abs(values[index])) }
    }
    return sums.indices.allSatisfy { output in
      sums[output] * 255 + Int((biases?[output] ?? 0).magnitude) < 1 << 24
    }
  }
}
