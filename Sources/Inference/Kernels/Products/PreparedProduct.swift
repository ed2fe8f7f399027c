import COneDNN

/// A matrix product of float32, one or a batch of equal ones, with its primitive for one shape.
///
/// result [batch,] [rows, columns] = left [rows, inner] x right [inner, columns], then a term for
/// each column, then the followers (of which oneDNN can't add a residual with a rounding of its own).
final class PreparedProduct: @unchecked Sendable {
  /// Extents and strides (in elements) of a product's operands.
  struct Geometry: Hashable, Sendable {
    /// Equal products; 0 where there is no axis of batches.
    var batch = 0
    var rows: Int
    var inner: Int
    var columns: Int
    /// Whether the left operand is stored [inner, rows].
    var isLeftTransposed = false
    /// Whether the right operand is stored [columns, inner].
    var isRightTransposed = false

    fileprivate func shape(_ rows: Int, _ columns: Int) -> [Int] {
      batch > 0 ? [batch, rows, columns] : [rows, columns]
    }
    fileprivate func strides(_ rows: Int, _ columns: Int, transposed: Bool) -> [Int] {
      let matrix = transposed ? [1, rows] : [columns, 1]
      return batch > 0 ? [rows * columns] + matrix : matrix
    }

    /// The left operand as it is stored.
    func left() throws -> dnnl_memory_desc_t {
      try .strided(
        shape(rows, inner), strides: strides(rows, inner, transposed: isLeftTransposed))
    }
    /// The right operand as it is stored.
    func right() throws -> dnnl_memory_desc_t {
      try .strided(
        shape(inner, columns), strides: strides(inner, columns, transposed: isRightTransposed))
    }
    /// The result, row-major.
    func result() throws -> dnnl_memory_desc_t { try .rowMajor(shape(rows, columns)) }
  }

  let primitive: Primitive
  private let geometry: Geometry
  private let left: dnnl_memory_desc_t
  private let target: dnnl_memory_desc_t
  private let bias: dnnl_memory_desc_t?
  private let perColumn: dnnl_memory_desc_t
  private let followers: [Follower]

  /// Chooses a kernel.
  init(_ geometry: Geometry, hasBias: Bool, followers: [Follower]) throws {
    self.geometry = geometry
    self.followers = followers
    left = try geometry.left()
    target = try geometry.result()
    perColumn = try .rowMajor(
      geometry.batch > 0 ? [1, 1, geometry.columns] : [1, geometry.columns])
    bias = hasBias ? perColumn : nil
    var left = left
    var right = try geometry.right()
    var target = target
    var bias = bias ?? dnnl_memory_desc_t()
    var operation = dnnl_matmul_desc_t()
    try OneDNN.check(
      dnnl_matmul_desc_init(&operation, &left, &right, &bias, &target), "a matrix product")
    let chain = try followers.map { [perColumn] follower throws -> PostOperation in
      switch follower {
      case .relu: .relu
      case .clip(let low, let high): .clip(low: low, high: high)
      case .shift: .add(perColumn)
      case .add, .scale: throw KernelProblem("a product cannot be followed by this")
      }
    }
    primitive = try Primitive(operation: &operation, followers: chain)
  }

  /// Computes one product of matrices that lie at the given places: left, right, result.
  func run(at places: [UnsafeMutableRawPointer], _ call: KernelCall) throws {
    try primitive.execute(
      [
        (Int32(DNNL_ARG_SRC), left, places[0]),
        (Int32(DNNL_ARG_WEIGHTS), primitive.weights, places[1]),
        (Int32(DNNL_ARG_DST), target, places[2]),
      ], call.context.pool)
  }

  /// Computes the result.
  func run(
    _ left: Tensor, _ right: Storage, bias biasTensor: Tensor?, into result: Tensor,
    _ call: KernelCall
  ) throws {
    var arguments: [Primitive.Argument] = [
      (Int32(DNNL_ARG_SRC), self.left, left.storage.base),
      (Int32(DNNL_ARG_WEIGHTS), primitive.weights, right.base),
      (Int32(DNNL_ARG_DST), target, result.storage.base),
    ]
    if let bias, let biasTensor {
      arguments.append((Int32(DNNL_ARG_BIAS), bias, biasTensor.storage.base))
    }
    for case (let index, .shift(let input)) in followers.enumerated() {
      let terms = try call.tensor(input, .float32)
      let part = PostOperation.operandPart(at: index)
      arguments.append((part, perColumn, terms.storage.base))
    }
    try primitive.execute(arguments, call.context.pool)
  }
}
