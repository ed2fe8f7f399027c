import CKernels
import ModelGraph

/// What becomes of sums of products of integers: (sum + bias) · scale + term, with a bias, a scale
/// and a term for each column, or channel where channels vary fastest.
struct ColumnScales: Sendable {
  /// Nil where all are treated alike.
  private let columns: Int?
  // Repeated over some rows.
  private let scales: [Float]
  private let biases: [Int32]
  /// Whether there are biases at all; else they are 0.
  let hasBiases: Bool
  private let terms: [Float]

  /// - Parameters:
  ///   - scales: one for each column, or one.
  ///   - biases: int32, one for each column.
  ///   - terms: float32, one for each column.
  /// - Throws: numbers of scales, biases or terms other than that of columns.
  init(
    columns: Int, scales: [Float], biases: Tensor? = nil, terms: Tensor? = nil
  ) throws {
    guard scales.count == 1 || scales.count == columns,
      biases.map({ $0.elementType == .int32 && $0.count == columns }) ?? true,
      terms.map({ $0.elementType == .float32 && $0.count == columns }) ?? true
    else {
      throw KernelProblem(
        "\(scales.count) scales or the bias do not fit \(columns) columns or channels")
    }
    let isUniform = scales.count == 1 && biases == nil && terms == nil
    let width = isUniform ? 1 : columns
    func repeated<Element>(_ values: [Element]) -> [Element] {
      Array(repeatElement(values, count: max(1, 1024 / max(1, width))).joined())
    }
    self.columns = isUniform ? nil : columns
    hasBiases = biases != nil
    self.scales = repeated(
      scales.count == width ? scales : Array(repeating: scales[0], count: width))
    self.biases = repeated(
      biases.map { Array($0.elements(Int32.self)) } ?? Array(repeating: 0, count: width))
    // Adding -0 changes nothing.
    self.terms = repeated(
      terms.map { Array($0.elements(Float.self)) } ?? Array(repeating: -0.0, count: width))
  }

  /// A stretch of sums: its start and length, and the bias, scale and term of each sum.
  typealias Part =
    @Sendable (
      _ start: Int, _ count: Int, _ biases: UnsafePointer<Int32>, _ scales: UnsafePointer<Float>,
      _ terms: UnsafePointer<Float>
    ) -> Void

  /// Hands out stretches of whole rows on all workers.
  ///
  /// - Throws: sums with another number of columns.
  func forEachPart(of sums: Tensor, _ context: RunContext, _ body: Part) throws {
    guard sums.count > 0 else { return }
    if let columns, sums.layout.physicalShape(sums.shape).last ?? 1 != columns {
      throw KernelProblem("sums \(sums.shape) do not have \(columns) columns or channels")
    }
    let length = scales.count
    try context.forEach((sums.count + length - 1) / length, cost: length) { index in
      let start = index * length
      scales.withUnsafeBufferPointer { scales in
        biases.withUnsafeBufferPointer { biases in
          terms.withUnsafeBufferPointer { terms in
            guard let scales = scales.baseAddress, let biases = biases.baseAddress,
              let terms = terms.baseAddress
            else { return }
            body(start, min(length, sums.count - start), biases, scales, terms)
          }
        }
      }
    }
  }

  /// The numbers that sums stand for.
  ///
  /// - Parameter sums: int32, or float32 just made that hold integers below 2^24.
  func numbers(_ sums: Tensor, _ context: RunContext) throws -> Tensor {
    guard sums.elementType == .int32 else {
      try forEachPart(of: sums, context) { start, count, biases, scales, terms in
        guard let values = sums.mutableElements(Float.self).baseAddress else { return }
        gs_scale_sums(values + start, count, biases, scales, terms)
      }
      return sums
    }
    let result = try context.allocate(.float32, sums.shape, layout: sums.layout)
    try forEachPart(of: sums, context) { start, count, biases, scales, terms in
      let (values, out) = (sums.elements(Int32.self), result.mutableElements(Float.self))
      for index in 0..<count {
        let sum = Float(values[start + index] &+ biases[index])
        out[start + index] = sum * scales[index] + terms[index]
      }
    }
    return result
  }
}
