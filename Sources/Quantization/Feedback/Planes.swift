import CKernels

/// The triangular factor of a matrix of second moments, in the order in which weights are rounded.
struct Planes {
  /// Columns by growing power.
  let order: [Int]
  /// `U[i][k] / U[i][i]` for k > i, in that order of columns.
  let coefficients: [Float]
  /// `U[i][i]²`.
  let shares: [Float]
  /// What was factored, `UᵀU`, whole and in that order.
  let products: [Float]

  /// Factors a symmetric matrix; an empty or non-finite one counts as that of unrelated inputs.
  ///
  /// - Parameter damping: the share of the mean power that is added to each input's own, at first;
  ///   what cannot be factored gets ten times as much.
  init(_ matrix: [Double], damping share: Double = 0.01) {
    let size = Int(Double(matrix.count).squareRoot().rounded())
    let powers = (0..<size).map { matrix[$0 * size + $0] }
    order = (0..<size).sorted { (powers[$0], $0) < (powers[$1], $1) }
    let mean = powers.reduce(0, +) / Double(max(1, size))
    var factor = [Double](repeating: 0, count: size * size)
    var damping = share * (mean > 0 && mean.isFinite ? mean : 1)
    var products = [Float](repeating: 0, count: size * size)
    while true {
      for (row, first) in order.enumerated() {
        for (column, second) in order.enumerated() where column >= row {
          factor[row * size + column] =
            matrix[first * size + second] + (row == column ? damping : 0)
        }
      }
      if !mean.isFinite || damping > 1e6 * mean {
        for index in factor.indices { factor[index] = index % (size + 1) == 0 ? 1 : 0 }
        products = factor.map { Float($0) }
        break
      }
      for row in 0..<size {
        for column in row..<size {
          products[row * size + column] = Float(factor[row * size + column])
          products[column * size + row] = products[row * size + column]
        }
      }
      if gs_factor(&factor, size) == 0 { break }
      damping *= 10
    }
    var coefficients = [Float](repeating: 0, count: size * size)
    var shares = [Float](repeating: 0, count: size)
    for row in 0..<size {
      let pivot = factor[row * size + row]
      shares[row] = Float(pivot * pivot)
      for column in (row + 1)..<max(row + 1, size) {
        coefficients[row * size + column] = Float(factor[row * size + column] / pivot)
      }
    }
    self.coefficients = coefficients
    self.shares = shares
    self.products = products
  }
}
