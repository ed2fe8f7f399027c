import Testing

@testable import Quantization

@Suite struct AffineGridTests {
  /// Computed from the formulas by an independent script.
  @Test(arguments: [
    (Float(-1), Float(2), 8, Float(0.0117647061), Int32(-43)),
    (0, 6, 8, 0.0235294122, -128), (1, 5, 8, 0.0196078438, -128),
    (-5.1, 5.1, 8, 0.0399999991, 0), (-1, 2, 4, 0.200000003, -3), (-1, 2, 1, 3, -1),
    (-1, 2, 16, 4.57770657e-05, -10923), (0, 0, 8, 3.92156874e-13, -128),
  ])
  func goldenVectors(minimum: Float, maximum: Float, bits: Int, scale: Float, zeroPoint: Int32) {
    let grid = AffineGrid(minimum: minimum, maximum: maximum, bits: bits)
    #expect(grid.scale == scale)
    #expect(grid.zeroPoint == zeroPoint)
  }

  @Test func everyFiniteRangeHasAUsableGrid() {
    let values: [Float] = [
      0, -0.0, Float.leastNonzeroMagnitude, 1e-38, 1e-12, 1e-10, 0.1, 1, 3, 1e10, 1e30, 8e37,
      -Float.leastNonzeroMagnitude, -1e-38, -1e-12,
      -0.1, -1, -1e10, -8e37,
    ]
    for minimum in values {
      for maximum in values where maximum >= minimum {
        for bits in 1...16 {
          let grid = AffineGrid(minimum: minimum, maximum: maximum, bits: bits)
          #expect(grid.scale.isNormal && grid.scale > 0, "\(minimum) \(maximum) \(bits)")
          #expect((grid.lowest...grid.highest).contains(grid.zeroPoint))
        }
      }
    }
  }
}
