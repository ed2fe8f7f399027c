import ModelGraph

/// MatMul, as numpy's `matmul`: [..., rows, inner] x [..., inner, columns], leading axes broadcast.
///
/// A fused step reads a third input, one term for each column.
struct MatrixProductKernel: Sendable {
  private let constant: ConstantProduct?
  private let followers: [Follower]
  private let cache = ShapeCache<PreparedProduct>()

  init(_ settings: NodeSettings) throws {
    followers = settings.followers
    constant = ConstantProduct(settings.constants[1])
  }

  func run(_ call: KernelCall) throws -> Tensor {
    let left = try call.tensor(0)
    let right = try call.tensor(1)
    let shapes = try ProductShapes(left.shape, right.shape)
    guard left.elementType == right.elementType else {
      throw KernelProblem(
        "\(left.elementType.name) and \(right.elementType.name) cannot be multiplied")
    }
    if let constant, left.elementType == .float32, left.count > 0, shapes.columns > 0 {
      // A convolution's bias would be added first, which rounds unlike an Add of its own.
      let terms = try call.optional(2) == nil ? [] : [Follower.shift(input: 2)]
      return try constant.run(
        left, bias: nil, followers: terms + followers, shape: shapes.result, call)
    }
    let result = try call.context.allocate(left.elementType, shapes.result)
    guard left.elementType == .float32 else {
      try left.elementType.visitNumber(
        PlainProduct(left: left, right: right, result: result, shapes: shapes))
      return result
    }
    guard result.count > 0, shapes.inner > 0 else {
      let out = result.mutableElements(Float.self)
      let terms = try call.optional(2)?.elements(Float.self)
      for index in 0..<out.count { out[index] = terms?[index % shapes.columns] ?? 0 }
      return result
    }
    if shapes.rightBatch.allSatisfy({ $0 == 1 }) {
      try multiplyAll(left, right, shapes, result, call)
    } else {
      try multiplyBatch(left, right, shapes, result, call)
    }
    return result
  }

  /// One right matrix for all rows of the left.
  private func multiplyAll(
    _ left: Tensor, _ right: Tensor, _ shapes: ProductShapes, _ result: Tensor, _ call: KernelCall
  ) throws {
    let geometry = PreparedProduct.Geometry(
      rows: left.count / shapes.inner, inner: shapes.inner, columns: shapes.columns)
    let bias = try call.optional(2)
    let prepared = try cache.value(for: [0, geometry.rows, geometry.inner, geometry.columns]) {
      try PreparedProduct(geometry, hasBias: bias != nil, followers: followers)
    }
    try prepared.run(left, right.storage, bias: bias, into: result, call)
  }

  /// A matrix of its own for each, or groups of each.
  private func multiplyBatch(
    _ left: Tensor, _ right: Tensor, _ shapes: ProductShapes, _ result: Tensor, _ call: KernelCall
  ) throws {
    let count = shapes.batch.reduce(1, *)
    let isAligned = shapes.leftBatch == shapes.rightBatch
    let geometry = PreparedProduct.Geometry(
      batch: isAligned ? count : 0, rows: shapes.rows, inner: shapes.inner,
      columns: shapes.columns)
    let prepared = try cache.value(
      for: [geometry.batch, geometry.rows, geometry.inner, geometry.columns]
    ) {
      try PreparedProduct(geometry, hasBias: false, followers: [])
    }
    if isAligned {
      return try prepared.run(left, right.storage, bias: nil, into: result, call)
    }
    let lefts = broadcastStrides(shapes.leftBatch, to: shapes.batch)
    let rights = broadcastStrides(shapes.rightBatch, to: shapes.batch)
    let strides = elementStrides(shapes.batch)
    for index in 0..<count {
      var leftIndex = 0
      var rightIndex = 0
      for axis in shapes.batch.indices {
        let position = index / strides[axis] % shapes.batch[axis]
        leftIndex += position * lefts[axis]
        rightIndex += position * rights[axis]
      }
      try prepared.run(
        at: [
          left.storage.base + 4 * leftIndex * shapes.rows * shapes.inner,
          right.storage.base + 4 * rightIndex * shapes.inner * shapes.columns,
          result.storage.base + 4 * index * shapes.rows * shapes.columns,
        ], call)
    }
  }
}

/// The extents of a MatMul.
struct ProductShapes: Sendable {
  let rows: Int
  let inner: Int
  let columns: Int
  let leftBatch: [Int]
  let rightBatch: [Int]
  /// Both batches, broadcast.
  let batch: [Int]
  /// The result's shape: without the axis that a one-dimensional operand was given.
  let result: [Int]

  /// - Throws: operands whose inner extents differ, scalars, and batches that don't broadcast.
  init(_ left: [Int], _ right: [Int]) throws {
    guard let first = left.last, !right.isEmpty else {
      throw KernelProblem("a scalar cannot be an operand of a matrix product")
    }
    inner = first
    rows = left.count == 1 ? 1 : left[left.count - 2]
    columns = right.count == 1 ? 1 : right[right.count - 1]
    let rightInner = right.count == 1 ? right[0] : right[right.count - 2]
    guard inner == rightInner else {
      throw KernelProblem(
        "shapes \(left) and \(right) cannot be multiplied: \(inner) is not \(rightInner)")
    }
    leftBatch = Array(left.dropLast(2))
    rightBatch = Array(right.dropLast(2))
    batch = try broadcastShape(leftBatch, rightBatch)
    result = batch + (left.count == 1 ? [] : [rows]) + (right.count == 1 ? [] : [columns])
    guard TensorData.elementCount(of: result) != nil else {
      throw KernelProblem("the product would have the shape \(result)")
    }
  }
}

/// The product for types other than float32, as written: three loops.
private struct PlainProduct: NumberVisitor {
  let left: Tensor
  let right: Tensor
  let result: Tensor
  let shapes: ProductShapes

  func visit<Element: NumberElement>(_ type: Element.Type) throws {
    let out = result.mutableElements(type)
    let a = left.elements(type)
    let b = right.elements(type)
    let lefts = broadcastStrides(shapes.leftBatch, to: shapes.batch)
    let rights = broadcastStrides(shapes.rightBatch, to: shapes.batch)
    let strides = elementStrides(shapes.batch)
    for index in 0..<shapes.batch.reduce(1, *) {
      var leftBase = 0
      var rightBase = 0
      for axis in shapes.batch.indices {
        let position = index / strides[axis] % shapes.batch[axis]
        leftBase += position * lefts[axis] * shapes.rows * shapes.inner
        rightBase += position * rights[axis] * shapes.inner * shapes.columns
      }
      let base = index * shapes.rows * shapes.columns
      for row in 0..<shapes.rows {
        for column in 0..<shapes.columns {
          var sum = Element.zero
          for k in 0..<shapes.inner {
            sum = sum.addingProduct(
              wrapping: a[leftBase + row * shapes.inner + k],
              b[rightBase + k * shapes.columns + column])
          }
          out[base + row * shapes.columns + column] = sum
        }
      }
    }
  }
}
