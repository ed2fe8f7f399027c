/// What numpy makes of a data set.
struct GoldenTensor {
  let name: String
  let minimum: Float
  let maximum: Float
  let tails: [Double]
  let quartiles: [Float]
  let mean: Double
  let variance: Double
  let sparsity: Double
  let step: Double
  let clip: Double
  let cosine: Double
  let grids: [GoldenGrid]
}

/// What numpy makes of it for a grid.
struct GoldenGrid {
  let levels: Int
  let isSymmetric: Bool
  let threshold: Double
  let divergences: [Int: Double]
  let shares: [Float]
  let wholeError: Double
  let partError: Double
}
