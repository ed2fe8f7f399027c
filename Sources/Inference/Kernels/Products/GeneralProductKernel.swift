import ModelGraph

/// Gemm: alpha * left * right + beta * C, each matrix optionally transposed, C broadcast.
struct GeneralProductKernel: Sendable {
  private let alpha: Float
  private let beta: Float
  private let isLeftTransposed: Bool
  private let isRightTransposed: Bool
  private let constant: ConstantProduct?
  private let followers: [Follower]
  private let cache = ShapeCache<PreparedProduct>()

  init(_ settings: NodeSettings) throws {
    alpha = try settings.float("alpha", default: 1)
    beta = try settings.float("beta", default: 1)
    isLeftTransposed = try settings.flag("transA")
    isRightTransposed = try settings.flag("transB")
    followers = settings.followers
    constant =
      isLeftTransposed
      ? nil : ConstantProduct(settings.constants[1], isTransposed: isRightTransposed)
  }

  func run(_ call: KernelCall) throws -> Tensor {
    let left = try call.tensor(0)
    let right = try call.tensor(1)
    guard left.rank == 2, right.rank == 2, left.elementType == right.elementType else {
      throw KernelProblem(
        "\(left.description) and \(right.description) are not two matrices of one type")
    }
    let geometry = Self.geometry(
      rows: left.shape[isLeftTransposed ? 1 : 0], right: right.shape, isLeftTransposed,
      isRightTransposed)
    guard left.shape[isLeftTransposed ? 0 : 1] == geometry.inner else {
      throw KernelProblem("\(left.description) and \(right.description) cannot be multiplied")
    }
    let shape = [geometry.rows, geometry.columns]
    let term = beta == 0 ? nil : try call.optional(2)
    if let term { try check(term, left.elementType, shape) }
    guard left.elementType == .float32, left.count > 0, geometry.columns > 0 else {
      let result = try call.context.allocate(left.elementType, shape)
      try left.elementType.visitNumber(
        PlainGeneralProduct(
          left: left, right: right, term: term, result: result, geometry: geometry,
          alpha: Double(alpha), beta: Double(beta)))
      return result
    }
    let isBias =
      alpha == 1 && beta == 1
      && (term.map { $0.count == geometry.columns && $0.shape.last == geometry.columns } ?? false)
    let isDone = alpha == 1 && (term == nil || isBias)
    let result = try multiply(
      left, right, geometry, bias: isBias ? term : nil, followers: isDone ? followers : [], call)
    if !isDone {
      finish(result, term: isBias ? nil : term)
      _ = try PreparedConvolution.apply(followers, to: result, call)
    }
    return result
  }

  private func multiply(
    _ left: Tensor, _ right: Tensor, _ geometry: PreparedProduct.Geometry, bias: Tensor?,
    followers: [Follower], _ call: KernelCall
  ) throws -> Tensor {
    let shape = [geometry.rows, geometry.columns]
    if let constant {
      return try constant.run(left, bias: bias, followers: followers, shape: shape, call)
    }
    let result = try call.context.allocate(.float32, shape)
    let key = [
      geometry.rows, geometry.inner, geometry.columns, bias == nil ? 0 : 1, followers.count,
    ]
    let prepared = try cache.value(for: key) {
      try PreparedProduct(geometry, hasBias: bias != nil, followers: followers)
    }
    try prepared.run(left, right.storage, bias: bias, into: result, call)
    return result
  }

  private func check(_ term: Tensor, _ type: ElementType, _ shape: [Int]) throws {
    guard term.elementType == type, try broadcastShape(term.shape, shape) == shape else {
      throw KernelProblem("C \(term.description) does not broadcast to \(type.name) \(shape)")
    }
  }

  /// Applies alpha, and adds beta times C.
  private func finish(_ result: Tensor, term: Tensor?) {
    let out = result.mutableElements(Float.self)
    if alpha != 1 { for index in 0..<out.count { out[index] *= alpha } }
    guard let term else { return }
    let values = term.elements(Float.self)
    let strides = broadcastStrides(term.shape, to: result.shape)
    for row in 0..<result.shape[0] {
      for column in 0..<result.shape[1] {
        out[row * result.shape[1] + column] +=
          beta * values[row * strides[0] + column * strides[1]]
      }
    }
  }

  private static func geometry(
    rows: Int, right: [Int], _ isLeftTransposed: Bool, _ isRightTransposed: Bool
  ) -> PreparedProduct.Geometry {
    PreparedProduct.Geometry(
      rows: rows, inner: right[isRightTransposed ? 1 : 0],
      columns: right[isRightTransposed ? 0 : 1], isLeftTransposed: isLeftTransposed,
      isRightTransposed: isRightTransposed)
  }
}

/// Gemm for types other than float32, as written: three loops.
private struct PlainGeneralProduct: NumberVisitor {
  let left: Tensor
  let right: Tensor
  let term: Tensor?
  let result: Tensor
  let geometry: PreparedProduct.Geometry
  let alpha: Double
  let beta: Double

  func visit<Element: NumberElement>(_ type: Element.Type) throws {
    let out = result.mutableElements(type)
    let a = left.elements(type)
    let b = right.elements(type)
    let terms = term?.elements(type)
    let strides = term.map { broadcastStrides($0.shape, to: result.shape) } ?? [0, 0]
    for row in 0..<geometry.rows {
      for column in 0..<geometry.columns {
        var sum = Element.zero
        for k in 0..<geometry.inner {
          let leftIndex =
            geometry.isLeftTransposed ? k * geometry.rows + row : row * geometry.inner + k
          let rightIndex =
            geometry.isRightTransposed
            ? column * geometry.inner + k : k * geometry.columns + column
          sum = sum.addingProduct(wrapping: a[leftIndex], b[rightIndex])
        }
        var value = alpha == 1 ? sum : Element(converting: alpha * sum.asDouble)
        if let terms {
          let other = terms[row * strides[0] + column * strides[1]]
          value = value.addingProduct(
            wrapping: beta == 1 ? other : Element(converting: beta * other.asDouble), 1)
        }
        out[row * geometry.columns + column] = value
      }
    }
  }
}
