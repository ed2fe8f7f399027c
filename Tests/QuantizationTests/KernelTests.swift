import CKernels
import Testing

/// Each kernel against the slow, obvious way.
@Suite struct KernelTests {
  private static let sizes = [0, 1, 2, 15, 16, 17, 31, 33, 63, 64, 65, 100, 1000, 1025]

  private func errors(
    _ weights: [Float], _ integers: [Int32], scale: Double, zeroPoint: Double
  ) -> [Int32] {
    zip(weights, integers).map { weight, integer in
      let error = (Double(integer) - (Double(weight) / scale + zeroPoint)) * 16_777_216
      return Int32(max(-127 * 16_777_216, min(127 * 16_777_216, error)).rounded(.toNearestOrEven))
    }
  }

  @Test func roundingMatchesTheScalarFormula() {
    let seed = UInt64.random(in: 0 ... .max)
    print("seed \(seed)")
    var numbers = TestNumbers(seed: seed)
    for size in Self.sizes {
      let weights = numbers.weights(size)
      let scale = Double(Float(numbers.unit() * 0.02 + 1e-4))
      let zeroPoint = Double(numbers.integer(-100...100))
      var integers = [Int32](repeating: 0, count: size)
      var errors = integers
      gs_quantize(weights, size, scale, zeroPoint, -128, 127, &integers, &errors)
      let expected = weights.map { weight in
        let exact = (Double(weight) / scale + zeroPoint).rounded(.toNearestOrAwayFromZero)
        return Int32(max(-128, min(127, exact)))
      }
      #expect(integers == expected)
      #expect(errors == self.errors(weights, expected, scale: scale, zeroPoint: zeroPoint))
    }
  }

  @Test func halvesRoundAwayFromZeroAndJustBelowDoesNot() {
    let below = Float(0.49999997)
    let weights: [Float] = [
      0.5, -0.5, 1.5, -1.5, 2.5, -2.5, below, -below, 126.5, 127.5, -128.5, 1e9,
    ]
    var integers = [Int32](repeating: 0, count: weights.count)
    gs_quantize(weights, weights.count, 1, 0, -128, 127, &integers, nil)
    #expect(integers == [1, -1, 2, -2, 3, -3, 0, 0, 127, 127, -128, 127])
  }

  /// Sorts everything; the kernel looks at few.
  private func balanced(
    _ integers: [Int32], _ errors: [Int32], lowest: Int32, highest: Int32
  ) -> [Int32] {
    let sum = errors.reduce(Int64(0)) { $0 + Int64($1) }
    let sign: Int32 = sum > 0 ? 1 : -1
    let moves = Int((abs(sum) + (1 << 23)) >> 24)
    let order = errors.indices.filter { index in
      sign * errors[index] > 0 && (lowest...highest).contains(integers[index] - sign)
    }.sorted { (sign * errors[$1], $0) < (sign * errors[$0], $1) }
    var result = integers
    for index in order.prefix(moves) { result[index] -= sign }
    return result
  }

  @Test func balancingMatchesAFullSort() {
    let seed = UInt64.random(in: 0 ... .max)
    print("seed \(seed)")
    var numbers = TestNumbers(seed: seed)
    for size in Self.sizes.dropFirst() {
      for style in 0..<4 {
        var integers = (0..<size).map { _ in Int32(numbers.integer(-8...7)) }
        var errors = (0..<size).map { _ -> Int32 in
          switch style {
          case 0: Int32((numbers.unit() - 0.5) * 16_777_216)
          case 1: Int32((numbers.unit() - 0.2) * 8_388_608)
          case 2: Int32(numbers.integer(-2...2)) * 4_000_000
          default: Int32(numbers.integer(0...20)) * 10_000_000
          }
        }
        let expected = balanced(integers, errors, lowest: -8, highest: 7)
        var scratch = [UInt32](repeating: 0, count: size)
        gs_balance(&integers, &errors, size, -8, 7, &scratch)
        #expect(integers == expected, "size \(size) style \(style)")
        #expect(integers.allSatisfy { (-8...7).contains($0) })
      }
    }
  }

  @Test func balancingMeansNeverRaisesItsSumAndStopsAtALocalLeast() {
    var numbers = TestNumbers(seed: 3)
    for size in [1, 7, 64, 200] {
      let means = (0..<size).map { _ in Int32(numbers.integer(-256...256)) }
      var integers = [Int32](repeating: 0, count: size)
      var errors = (0..<size).map { _ in Int32((numbers.unit() - 0.5) * 16_777_216) }
      func cost(_ errors: [Double]) -> Double {
        let weighted = zip(errors, means).reduce(0.0) { $0 + $1.0 * Double($1.1) / 64 }
        return errors.reduce(0) { $0 + $1 * $1 } + weighted * weighted
      }
      let before = errors.map { Double($0) / 16_777_216 }
      gs_balance_means(&integers, &errors, means, size, -8, 7)
      let after = zip(before, integers).map { $0 + Double($1) }
      #expect(cost(after) <= cost(before) + 1e-9)
      for index in 0..<size {
        for step in [-1.0, 1.0] {
          var moved = after
          moved[index] += step
          #expect(cost(moved) >= cost(after) - 1e-6)
        }
      }
    }
  }

  /// One move after the other, each the first of those that gain most, in exact integers.
  private func balanced(
    _ integers: [Int32], _ errors: [Int32], _ means: [Int32], _ range: ClosedRange<Int32>
  ) -> [Int32] {
    let (step, unit) = (Int64(1 << 24), Int64(64 * 64))
    var (integers, errors) = (integers, errors.map(Int64.init))
    let means = means.map(Int64.init)
    for _ in 0..<min(400, integers.count) {
      let total = zip(means, errors).reduce(0) { $0 + $1.0 * $1.1 }
      var best: (gain: Int64, index: Int, direction: Int32)?
      for index in integers.indices {
        let gradient = errors[index] * unit + means[index] * total
        let gain = 2 * abs(gradient) - (unit + means[index] * means[index]) * step
        let direction: Int32 = gradient > 0 ? -1 : 1
        guard gain > best?.gain ?? 0, range.contains(integers[index] + direction) else { continue }
        best = (gain, index, direction)
      }
      guard let best else { break }
      integers[best.index] += best.direction
      errors[best.index] += Int64(best.direction) * step
    }
    return integers
  }

  @Test func eachMoveIsTheOneThatGainsMost() {
    var numbers = TestNumbers(seed: 31)
    for (size, reach) in [
      (1, 64), (15, 64), (16, 64), (40, 4096), (576, 200), (640, 4096), (1152, 30), (2000, 8),
    ] {
      var integers = (0..<size).map { _ in Int32(numbers.integer(-8...7)) }
      var errors = (0..<size).map { _ in Int32(numbers.integer(-(1 << 23)...(1 << 23))) }
      let means = (0..<size).map { _ in Int32(numbers.integer(-reach...reach)) }
      let expected = balanced(integers, errors, means, -8...7)
      gs_balance_means(&integers, &errors, means, size, -8, 7)
      #expect(integers == expected, "\(size) weights")
    }
  }

  @Test func momentsAreTheSums() {
    var numbers = TestNumbers(seed: 5)
    for size in Self.sizes {
      let weights = numbers.weights(size)
      let integers = (0..<size).map { _ in Int32(numbers.integer(-128...127)) }
      var (p, pp): (Int64, Int64) = (0, 0)
      var (v, vp, vv) = (0.0, 0.0, 0.0)
      gs_moments(weights, integers, size, 3, &p, &pp, &v, &vp, &vv)
      let shifted = integers.map { Int64($0) - 3 }
      #expect(p == shifted.reduce(0, +))
      #expect(pp == shifted.reduce(0) { $0 + $1 * $1 })
      let products = zip(weights, shifted).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
      #expect(abs(vp - products) <= 1e-9 * Double(size + 1))
      #expect(abs(v - weights.reduce(0.0) { $0 + Double($1) }) <= 1e-9)
      #expect(abs(vv - weights.reduce(0.0) { $0 + Double($1) * Double($1) }) <= 1e-9)
    }
  }

  @Test func weightedSumsAreTheSums() {
    var numbers = TestNumbers(seed: 6)
    for size in Self.sizes {
      let weights = numbers.weights(size)
      let integers = (0..<size).map { _ in Int32(numbers.integer(-128...127)) }
      let means = (0..<size).map { _ in Int32(numbers.integer(-4096...4096)) }
      var (sum, integerSum) = (0.0, Int64(0))
      gs_weighted_sums(weights, integers, means, size, -7, &sum, &integerSum)
      #expect(integerSum == zip(means, integers).reduce(0) { $0 + Int64($1.0) * Int64($1.1 + 7) })
      let expected = zip(means, weights).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
      #expect(abs(sum - expected) <= 1e-9 * Double(4096 * (size + 1)))
    }
  }

  @Test func theScanSeesEveryNonFiniteValue() {
    for bad in [Float.nan, .infinity, -.infinity, .signalingNaN] {
      for position in 0..<40 {
        var weights = [Float](repeating: 1, count: 40)
        var largest: Float = 0
        #expect(gs_scan(weights, 40, &largest) != 0)
        #expect(largest == 1)
        weights[position] = bad
        #expect(gs_scan(weights, 40, &largest) == 0)
      }
    }
  }

  @Test func everyHalfPrecisionPatternWidensExactly() {
    let patterns = (0...UInt16.max).map { $0 }
    var floats = [Float](repeating: 0, count: patterns.count)
    gs_widen_half(patterns, patterns.count, &floats)
    for (pattern, value) in zip(patterns, floats) {
      let sign = pattern & 0x8000 == 0 ? 1.0 : -1.0
      let exponent = Int(pattern >> 10 & 31)
      let fraction = Double(pattern & 1023) / 1024
      if exponent == 31 {
        #expect(fraction == 0 ? value.isInfinite : value.isNaN)
      } else {
        let power = Double(
          sign: .plus, exponent: exponent == 0 ? -14 : exponent - 15, significand: 1)
        #expect(Double(value) == sign * power * (fraction + (exponent == 0 ? 0 : 1)))
      }
    }
    gs_widen_bfloat(patterns, patterns.count, &floats)
    for (pattern, value) in zip(patterns, floats) {
      #expect(value.bitPattern == UInt32(pattern) << 16)
    }
  }

  @Test func transposingThereAndBackChangesNothing() {
    var numbers = TestNumbers(seed: 9)
    for (rows, stride, columns) in [(1, 1, 1), (17, 5, 3), (100, 70, 64), (33, 16, 16)] {
      let source = numbers.weights(rows * stride)
      var gathered = [Float](repeating: 0, count: rows * columns)
      gs_transpose_strided(source, 4 * stride, &gathered, 4 * rows, rows, columns, 4)
      for column in 0..<columns {
        for row in 0..<rows {
          #expect(gathered[column * rows + row] == source[row * stride + column])
        }
      }
      let integers = (0..<rows * columns).map { Int16(truncatingIfNeeded: $0) }
      var scattered = [Int16](repeating: -1, count: rows * stride)
      gs_transpose_strided(integers, 2 * rows, &scattered, 2 * stride, columns, rows, 2)
      for column in 0..<columns {
        for row in 0..<rows {
          #expect(scattered[row * stride + column] == integers[column * rows + row])
        }
      }
    }
  }

  @Test(arguments: [1, 9])
  func forecastsAreTheSumsOverChannelsAndPositions(kernel: Int) {
    var numbers = TestNumbers(seed: 17)
    for channels in [1, 7, 8, 29] {
      let weights = numbers.weights(channels * kernel)
      let means = numbers.weights(channels).map(Double.init)
      let variances = numbers.weights(channels).map { Double($0 * $0) }
      var (mean, variance) = (0.5, 0.25)
      gs_forecast_sum(weights, channels, kernel, means, variances, 0.7, &mean, &variance)
      // Positions of a channel are correlated by 0.7: the variance of their sum, pair by pair.
      var expected = (mean: 0.5, variance: 0.25)
      for channel in 0..<channels {
        let row = weights[channel * kernel..<(channel + 1) * kernel].map(Double.init)
        expected.mean += row.reduce(0, +) * means[channel]
        for (first, one) in row.enumerated() {
          for (second, other) in row.enumerated() {
            expected.variance += one * other * variances[channel] * (first == second ? 1 : 0.7)
          }
        }
      }
      #expect(abs(mean - expected.mean) < 1e-9)
      #expect(abs(variance - expected.variance) < 1e-9)
    }
  }

  @Test func excessesAreThoseOfPairsAboveTheBound() {
    var numbers = TestNumbers(seed: 12)
    for count in [1, 2, 31, 64, 777] {
      let weights = numbers.weights(count)
      let sums = stride(from: 0, to: count - 1, by: 2).map { abs(weights[$0] + weights[$0 + 1]) }
      let bound = (sums.max() ?? 0) / 2
      var above = [Float](repeating: 0, count: count)
      above.removeLast(count - gs_pairs_above(weights, count, bound, &above))
      #expect(above == sums.filter { $0 > bound })
      let squares = sums.reduce(0.0) { $0 + Double(max(0, $1 - bound) * max(0, $1 - bound)) }
      #expect(abs(gs_excess_squares(above, above.count, bound) - squares) <= 1e-12 * squares)
    }
  }

  @Test func packingPutsTheFirstInTheLowHalf() {
    var packed = [UInt8](repeating: 0, count: 2)
    gs_pack_int4([-8, 7, -1], 3, &packed)
    #expect(packed == [0x78, 0x0f])
  }
}
