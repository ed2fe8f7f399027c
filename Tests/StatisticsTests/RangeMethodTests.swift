import Testing

@testable import Statistics

@Suite struct RangeMethodTests {
  private static let grids = [
    IntegerGrid(levels: 256, isSymmetric: false), IntegerGrid(levels: 255, isSymmetric: true),
    IntegerGrid(levels: 256, isSymmetric: true), IntegerGrid(levels: 1024, isSymmetric: false),
    IntegerGrid(levels: 65536, isSymmetric: false), IntegerGrid(levels: 16, isSymmetric: false),
  ]

  private let all: StatisticsRequest = [.histogram, .tails]

  /// The sum of squared errors of really quantizing.
  private func error(_ values: [Float], _ range: ActivationRange, _ grid: IntegerGrid) -> Double {
    let steps = Double(grid.levels - 1)
    let step = (Double(range.upper) - Double(range.lower)) / steps
    guard step > 0 else { return values.reduce(0.0) { $0 + Double($1) * Double($1) } }
    let zero = (-Double(range.lower) / step).rounded(.toNearestOrAwayFromZero)
    var sum = 0.0
    for value in values {
      let integer = min(max((Double(value) / step).rounded() + zero, 0), steps)
      let difference = (integer - zero) * step - Double(value)
      sum += difference * difference
    }
    return sum
  }

  private static func cases(_ data: inout TestData) -> [[Float]] {
    (0..<30).map { _ in data.activations(Int.random(in: 500...8000, using: &data)) }
      + GoldenStatistics.all.map { TestData.golden($0.name) }
  }

  @Test func maximumAndMinimumAreExact() {
    let statistics = TensorStatistics([[-0.1, 3, 0.7], [2, -5.5]], [])
    let ranges = Self.grids.prefix(2).map { RangeMethod.maxMin.range(of: statistics, grid: $0) }
    #expect(ranges[0].lower == -5.5 && ranges[0].upper == 3)
    #expect(ranges[1].lower == -5.5 && ranges[1].upper == 5.5)
  }

  @Test func everyRangeHoldsZeroAndIsOrderIndependent() {
    var data = TestData.printed()
    for values in Self.cases(&data) {
      let samples = values.parts(3)
      let statistics = TensorStatistics(samples, all)
      let reversed = TensorStatistics(samples.reversed().map { $0.reversed() }, .histogram)
      for grid in Self.grids {
        for method in RangeMethod.allCases {
          let range = method.range(of: statistics, grid: grid)
          #expect(range.lower <= 0 && range.upper >= 0 && range.lower < range.upper)
          #expect(!grid.isSymmetric || range.lower == -range.upper)
          let whole = RangeMethod.maxMin.range(of: statistics, grid: grid)
          #expect(range.lower >= whole.lower && range.upper <= whole.upper)
          if method != .outlierRemoval {
            #expect(method.range(of: reversed, grid: grid) == range)
          }
        }
      }
    }
  }

  @Test func expectedErrorsComeTrue() throws {
    var data = TestData.printed()
    for scale in [1.0, 1e-30, 1e12] {
      let smooth = data.bells(40000).map { Float($0 * abs($0) * scale) }
      let statistics = TensorStatistics([smooth], .histogram)
      let expected = try #require(ExpectedError(statistics))
      for grid in Self.grids {
        let whole = RangeMethod.maxMin.range(of: statistics, grid: grid)
        for share: Float in [1, 0.7, 0.3] {
          let range = ActivationRange(whole.lower * share, whole.upper * share, grid: grid)
          let real = error(smooth, range, grid)
          #expect(agree(expected.sum(range, grid), real, 0.1), "\(grid) \(share)")
        }
      }
    }
  }

  @Test func autoIsNeverWorseThanMaximumAndMinimum() throws {
    var data = TestData.printed()
    for values in Self.cases(&data) {
      let statistics = TensorStatistics([values], all)
      let expected = try #require(ExpectedError(statistics))
      for grid in Self.grids {
        let best = expected.sum(RangeMethod.auto.range(of: statistics, grid: grid), grid)
        for method in RangeMethod.allCases where method != .outlierRemoval {
          let other = expected.sum(method.range(of: statistics, grid: grid), grid)
          #expect(best <= other * 1.1, "\(grid) \(method)")
        }
        let whole = RangeMethod.maxMin.range(of: statistics, grid: grid)
        #expect(best <= expected.sum(whole, grid))
      }
    }
  }

  /// A finer search over all pairs finds hardly anything better.
  @Test func autoIsNearTheBestOfAllPairs() throws {
    let grid = IntegerGrid(levels: 256, isSymmetric: false)
    for golden in GoldenStatistics.all {
      let statistics = TensorStatistics([TestData.golden(golden.name)], .histogram)
      let expected = try #require(ExpectedError(statistics))
      let found = expected.sum(RangeMethod.auto.range(of: statistics, grid: grid), grid)
      var least = Double.infinity
      for lower in 1...60 {
        for upper in 1...60 {
          let range = ActivationRange(
            golden.minimum * Float(lower) / 60, golden.maximum * Float(upper) / 60, grid: grid)
          least = min(least, expected.sum(range, grid))
        }
      }
      #expect(found <= least * 1.03, "\(golden.name): \(found), \(least)")
    }
  }

  /// On what is really quantized, KL's noise stays near the least.
  @Test func divergenceIsNeverADisaster() throws {
    var data = TestData.printed()
    var cases = Self.cases(&data)
    cases.append(data.bells(5000).map { Float(max(0, $0 - 1.5)) })
    cases.append((0..<5000).map { $0 % 250 == 0 ? Float($0) : 0 })
    cases.append((0..<5000).map { $0 % 2 == 0 ? 0.001 : 1 + Float($0) / 1e6 })
    cases.append(data.bells(5000).map { Float(max(0, min(6, $0 * 40))) })
    for values in cases {
      let statistics = TensorStatistics([values], .histogram)
      let expected = try #require(ExpectedError(statistics))
      for grid in Self.grids.prefix(3) {
        let range = RangeMethod.kullbackLeibler.range(of: statistics, grid: grid)
        let whole = RangeMethod.maxMin.range(of: statistics, grid: grid)
        #expect(expected.sum(range, grid) <= expected.sum(whole, grid))
        let best = RangeMethod.auto.range(of: statistics, grid: grid)
        let noises = [range, whole, best].map { error(values, $0, grid) }
        #expect(noises[0] <= max(5 * noises[2], noises[1]), "\(grid) \(noises)")
      }
    }
  }

  @Test func divergenceCutsRareOutliers() {
    var data = TestData(seed: 3)
    var values = data.bells(1_000_000).map { Float($0 * 0.25) }
    values[11] = 2
    let statistics = TensorStatistics([values], .histogram)
    let grid = IntegerGrid(levels: 256, isSymmetric: false)
    for method in [RangeMethod.kullbackLeibler, .auto] {
      let range = method.range(of: statistics, grid: grid)
      #expect(range.upper >= 0.4 && range.upper < 1, "\(method) \(range)")
    }
  }

  @Test func oddDataHasARange() {
    let tiny = Float.leastNonzeroMagnitude
    let cases: [([Float], Float, Float)] = [
      ([], 0, 0), ([.nan, .infinity], 0, 0), ([0, 0, -0.0], 0, 0), ([3], 0, 3), ([-3, -3], -3, 0),
      ([tiny], 0, tiny), ([-tiny, tiny], -tiny, tiny), ([3e38], 0, 0x1p126),
      ([-3e38, 3e38], -0x1p126, 0x1p126), ([.nan, 2, 0], 0, 2),
    ]
    let grid = IntegerGrid(levels: 256, isSymmetric: false)
    let symmetric = IntegerGrid(levels: 255, isSymmetric: true)
    for (values, lower, upper) in cases {
      let statistics = TensorStatistics([values], all)
      for method in RangeMethod.allCases {
        let range = method.range(of: statistics, grid: grid)
        #expect(range.lower >= lower && range.upper <= upper, "\(values) \(method)")
        #expect((range.upper - range.lower).isFinite)
        #expect((range.upper > range.lower) == (upper > lower), "\(values) \(method)")
        let both = method.range(of: statistics, grid: symmetric)
        #expect(both.lower == -both.upper && both.upper <= max(-lower, upper))
        if Set(values).count == 1 { #expect(range.lower == lower && range.upper == upper) }
      }
    }
  }

  @Test func outliersAreRemovedButNotEverything() {
    let rare: [Float] = (0..<20001).map { $0 == 40 ? 5 : 0 }
    let grid = Self.grids[0]
    let kept = RangeMethod.outlierRemoval.range(of: TensorStatistics([rare], all), grid: grid)
    #expect(kept.lower == 0 && kept.upper == 5)
    var ramp: [Float] = (0..<400_000).map { Float($0) / 20 }
    func upper() -> Float {
      RangeMethod.outlierRemoval.range(of: TensorStatistics([ramp], all), grid: grid).upper
    }
    #expect(upper() > 19999)
    ramp[3] = 23000
    #expect(upper() < 19999)
  }

  /// One value far out costs more cut off than the coarser steps that it asks for.
  @Test func outlierRemovalIsNeverWorseThanMaximumAndMinimum() throws {
    var data = TestData.printed()
    for values in Self.cases(&data) {
      let statistics = TensorStatistics([values], all)
      let expected = try #require(ExpectedError(statistics))
      for grid in Self.grids {
        let range = RangeMethod.outlierRemoval.range(of: statistics, grid: grid)
        let whole = RangeMethod.maxMin.range(of: statistics, grid: grid)
        #expect(range == whole || expected.sum(range, grid) <= 0.9 * expected.sum(whole, grid))
      }
    }
    let far: [Float] = (0..<20000).map { Float($0) / 20000 } + [1000]
    let statistics = TensorStatistics([far], all)
    #expect(RangeMethod.outlierRemoval.range(of: statistics, grid: Self.grids[0]).upper == 1000)
  }

  @Test func methodsDoWithoutWhatWasNotGathered() {
    let statistics = TensorStatistics([[-1, 4, 2]], [])
    for method in RangeMethod.allCases {
      let range = method.range(of: statistics, grid: Self.grids[0])
      #expect(range.lower == -1 && range.upper == 4)
    }
  }

  @Test func fractionalPowersOfTwo() {
    #expect(PowerOfTwo.fraction(0) == 1)
    #expect(PowerOfTwo.fraction(64) == 0.5)
    for n in 0...600 {
      let power = (0..<64).reduce(1.0) { product, _ in product * PowerOfTwo.fraction(n) }
      #expect(agree(power, Double(sign: .plus, exponent: -n, significand: 1), 1e-13))
    }
  }
}
