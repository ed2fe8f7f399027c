import CKernels
import ModelGraph

/// Many matrix products of the same extents: result[s] = left[s] · right[s] for each sample s.
struct BatchedProduct {
  /// How one side lies in memory, in elements.
  struct Strides {
    var sample, row, column: Int

    /// Dense row-major matrices one after the other.
    static func dense(rows: Int, columns: Int) -> Strides {
      Strides(sample: rows * columns, row: columns, column: 1)
    }
  }

  /// Number of products, rows and columns of each result, terms of each sum.
  let samples, rows, columns, depth: Int
  let left, right: Strides

  /// Products of dense row-major matrices.
  init(samples: Int, rows: Int, columns: Int, depth: Int) {
    self.init(
      samples: samples, rows: rows, columns: columns, depth: depth,
      left: .dense(rows: rows, columns: depth), right: .dense(rows: depth, columns: columns))
  }

  /// Products of matrices that lie in memory as the strides say.
  init(
    samples: Int, rows: Int, columns: Int, depth: Int, left: Strides, right: Strides
  ) {
    self.samples = samples
    self.rows = rows
    self.columns = columns
    self.depth = depth
    self.left = left
    self.right = right
  }

  /// Rows that one worker takes at once.
  private static let rowsAtOnce = 96

  /// Multiplies into a new tensor of the given shape, which has samples · rows · columns elements.
  func multiply(
    _ left: Tensor, _ right: Tensor, shape: [Int], _ context: RunContext
  ) throws -> Tensor {
    let result = try context.allocate(left.elementType, shape)
    if left.elementType == .float32 {
      try multiplyFloats(left, right, result, context)
    } else {
      try multiplyOthers(left, right, result)
    }
    return result
  }

  private func multiplyFloats(
    _ left: Tensor, _ right: Tensor, _ result: Tensor, _ context: RunContext
  ) throws {
    let chunks = (rows + Self.rowsAtOnce - 1) / Self.rowsAtOnce
    let cost = min(rows, Self.rowsAtOnce) * columns * depth / 16 + 1
    try context.forEach(samples * chunks, cost: cost) { item in
      let (sample, chunk) = item.quotientAndRemainder(dividingBy: chunks)
      let row = chunk * Self.rowsAtOnce
      guard let a = left.elements(Float.self).baseAddress,
        let b = right.elements(Float.self).baseAddress,
        let c = result.mutableElements(Float.self).baseAddress
      else { return }
      gs_matmul_small(
        min(rows - row, Self.rowsAtOnce), columns, depth,
        a + sample * self.left.sample + row * self.left.row, self.left.row, self.left.column,
        b + sample * self.right.sample, self.right.row, self.right.column,
        c + (sample * rows + row) * columns, columns, 0)
    }
  }

  private func multiplyOthers(_ left: Tensor, _ right: Tensor, _ result: Tensor) throws {
    switch left.elementType {
    case .float64: multiply(left, right, result, Double.self) { $0 + $1 * $2 }
    case .int8: multiplyIntegers(left, right, result, Int8.self)
    case .int16: multiplyIntegers(left, right, result, Int16.self)
    case .int32: multiplyIntegers(left, right, result, Int32.self)
    case .int64: multiplyIntegers(left, right, result, Int64.self)
    case .uint8: multiplyIntegers(left, right, result, UInt8.self)
    case .uint16: multiplyIntegers(left, right, result, UInt16.self)
    case .uint32: multiplyIntegers(left, right, result, UInt32.self)
    case .uint64: multiplyIntegers(left, right, result, UInt64.self)
    default: throw KernelProblem(lacking: "products of \(left.elementType.name) are not supported")
    }
  }

  private func multiplyIntegers<Element: TensorElement & FixedWidthInteger>(
    _ left: Tensor, _ right: Tensor, _ result: Tensor, _ type: Element.Type
  ) {
    multiply(left, right, result, type) { $0 &+ $1 &* $2 }
  }

  @inline(__always)
  private func multiply<Element: TensorElement & Numeric>(
    _ leftSide: Tensor, _ rightSide: Tensor, _ result: Tensor, _ type: Element.Type,
    _ add: (Element, Element, Element) -> Element
  ) {
    let a = leftSide.elements(Element.self)
    let b = rightSide.elements(Element.self)
    let c = result.mutableElements(Element.self)
    for sample in 0..<samples {
      for row in 0..<rows {
        let start = (sample * rows + row) * columns
        for column in 0..<columns { c[start + column] = 0 }
        for term in 0..<depth {
          let factor = a[sample * left.sample + row * left.row + term * left.column]
          let other = sample * right.sample + term * right.row
          for column in 0..<columns {
            c[start + column] = add(c[start + column], factor, b[other + column * right.column])
          }
        }
      }
    }
  }
}
