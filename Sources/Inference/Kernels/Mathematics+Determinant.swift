import ModelGraph

extension Families {
  /// Determinants of square matrices, by elimination in double precision.
  static let determinant = OperatorDefinition(
    "Det", types: Elementwise.floatTypes,
    tensors: { _ in
      wideningHalves { call in
        let input = try call.tensor(0)
        guard input.rank >= 2, input.shape[input.rank - 1] == input.shape[input.rank - 2] else {
          throw KernelProblem("the determinant of \(input.description) is not defined")
        }
        let size = input.shape[input.rank - 1]
        let wide = try Elementwise.cast(input, to: .float64, call.context)
        let result = try call.context.allocate(.float64, input.shape.dropLast(2))
        let matrices = wide.elements(Double.self)
        let out = result.mutableElements(Double.self)
        var work = [Double](repeating: 0, count: size * size)
        for index in 0..<result.count {
          for element in work.indices { work[element] = matrices[index * size * size + element] }
          out[index] = eliminated(&work, size)
        }
        return [try Elementwise.cast(result, to: input.elementType, call.context)]
      }
    })

  /// The determinant of a matrix, which is turned into an upper triangle; the largest element of
  /// each column becomes its pivot.
  private static func eliminated(_ matrix: inout [Double], _ size: Int) -> Double {
    var determinant = 1.0
    for column in 0..<size {
      var pivot = column
      for row in column..<size
      where abs(matrix[row * size + column]) > abs(matrix[pivot * size + column]) {
        pivot = row
      }
      let value = matrix[pivot * size + column]
      if value == 0 { return 0 }
      if pivot != column {
        determinant = -determinant
        for k in 0..<size { matrix.swapAt(pivot * size + k, column * size + k) }
      }
      determinant *= value
      for row in (column + 1)..<size {
        let factor = matrix[row * size + column] / value
        for k in column..<size { matrix[row * size + k] -= factor * matrix[column * size + k] }
      }
    }
    return determinant
  }
}
