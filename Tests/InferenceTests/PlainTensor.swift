@testable import Inference

/// Numbers by index, for slow obvious references.
struct PlainTensor {
  let shape: [Int]
  var values: [Double]

  init(_ shape: [Int], _ values: [Double]) {
    self.shape = shape
    self.values = values
  }

  /// A tensor of zeros.
  init(zeros shape: [Int]) { self.init(shape, [Double](repeating: 0, count: shape.reduce(1, *))) }

  init(_ shape: [Int], _ values: [Float]) { self.init(shape, values.map { Double($0) }) }

  /// All indices, the last axis fastest.
  var indices: [[Int]] {
    shape.reduce([[]]) { found, extent in
      found.flatMap { index in (0..<extent).map { index + [$0] } }
    }
  }

  private func place(_ index: [Int]) -> Int {
    zip(index, shape).reduce(0) { $0 * $1.1 + $1.0 }
  }

  subscript(_ index: [Int]) -> Double {
    get { values[place(index)] }
    set { values[place(index)] = newValue }
  }

  /// The largest distance to `actual`, in parts of the largest magnitude.
  func distance(to actual: [Float]) -> Double {
    guard actual.count == values.count else { return .infinity }
    let largest = values.reduce(1e-30) { max($0, abs($1)) }
    return zip(values, actual).reduce(0) { max($0, abs($1.0 - Double($1.1))) } / largest
  }
}
