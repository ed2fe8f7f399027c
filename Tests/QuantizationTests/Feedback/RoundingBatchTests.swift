import CKernels
import Testing

@testable import Quantization

@Suite struct RoundingBatchTests {
  private let lanes = Int(GS_FEEDBACK_ROWS)

  /// A case with random inputs, rounded without refinement.
  private struct Case {
    let size, block, bits: Int
    let channels: [[Float]]
    /// Mean products of the inputs, `[size][size]`.
    let products: [Double]

    init(seed: UInt64) {
      var numbers = TestNumbers(seed: seed)
      let size = 4 * numbers.integer(1...8)
      block = seed % 2 == 0 ? size : 4
      bits = numbers.integer(2...8)
      self.size = size
      func random() -> Double { Double(numbers.next() >> 40) / Double(1 << 23) - 1 }
      channels = (0..<numbers.integer(1...16)).map { _ in (0..<size).map { _ in Float(random()) } }
      var products = [Double](repeating: 0, count: size * size)
      for _ in 0..<3 * size {
        let common = random()
        let row = (0..<size).map { _ in random() + common }
        for i in 0..<size { for j in 0..<size { products[i * size + j] += row[i] * row[j] } }
      }
      self.products = products
    }

    var grids: [[AffineGrid]] {
      channels.map { channel in
        stride(from: 0, to: size, by: block).map { start in
          let part = channel[start..<start + block]
          return AffineGrid(
            minimum: min(0, part.min() ?? 0), maximum: max(0, part.max() ?? 0),
            lowest: -(1 << (bits - 1)), highest: (1 << (bits - 1)) - 1)
        }
      }
    }

    func values(_ rounded: RoundedChannel) -> [Float] {
      rounded.integers.enumerated().map { weight, integer in
        let grid = rounded.grid(weight, blockSize: block)
        return grid.scale * Float(Int32(integer) - grid.zeroPoint)
      }
    }

    /// `e P eᵀ` with the products in the planes' order.
    func loss(_ errors: [Double], _ matrix: [Double]) -> Double {
      var loss = 0.0
      for i in 0..<size {
        for j in 0..<size { loss += errors[i] * matrix[i * size + j] * errors[j] }
      }
      return loss
    }
  }

  @Test(arguments: 1...40 as ClosedRange<UInt64>)
  func refinementLosesLessAndSaysHowMuch(seed: UInt64) {
    let test = Case(seed: seed)
    let planes = Planes(test.products)
    let batch = RoundingBatch(
      test.channels[...], planes: planes, weightOfColumn: Array(0..<test.size),
      blockSize: test.block)
    let rounded = batch.rounded(test.grids)
    var damped = test.products
    for place in 0..<test.size {
      damped[planes.order[place] * (test.size + 1)] = Double(
        planes.products[place * (test.size + 1)])
    }
    for keepsScales in [true, false] {
      let refined = batch.refined(rounded, keepsScales: keepsScales)
      for (channel, (before, after)) in zip(test.channels, zip(rounded, refined)) {
        let errors = zip(channel, test.values(after)).map { Double($0) - Double($1) }
        let loss = test.loss(errors, damped)
        #expect(after.loss <= before.loss, "seed \(seed)")
        #expect(
          abs(loss - after.loss) <= 1e-3 * loss + 1e-7,
          "seed \(seed): \(after.loss), by its definition \(loss)")
        #expect(!keepsScales || after.grids == before.grids, "seed \(seed)")
        let limit = Int16(1 << (test.bits - 1))
        #expect(after.integers.allSatisfy { $0 >= -limit && $0 < limit }, "seed \(seed)")
      }
    }
  }

  /// Kernels add neighbours' products in 16 bits: no pair exceeds its limit, whatever errors cost, and
  /// what is lost is less than by rounding alone.
  @Test(arguments: 1...40 as ClosedRange<UInt64>)
  func pairsStayWithinTheirLimit(seed: UInt64) throws {
    let test = Case(seed: 2 * seed)
    let kernel = seed % 3 == 0 ? 4 : 1
    let limit = PairLimit(sum: 128, inputs: test.size / kernel, kernel: kernel)
    let planes = Planes(test.products)
    let batch = RoundingBatch(
      test.channels[...], planes: planes, weightOfColumn: Array(0..<test.size),
      blockSize: test.size, pairLimit: limit)
    let grids = test.channels.map { [AffineGrid(symmetric: $0.map(abs).max() ?? 1, bits: 8)] }
    let rounded = batch.refined(batch.rounded(grids), keepsScales: seed % 2 == 0)
    var damped = test.products
    for place in 0..<test.size {
      damped[planes.order[place] * (test.size + 1)] = Double(
        planes.products[place * (test.size + 1)])
    }
    var (loss, plain) = (0.0, 0.0)
    for (channel, result) in zip(test.channels, rounded) {
      let ordered = (0..<kernel).flatMap { position in
        (0..<limit.inputs).map { Int(result.integers[$0 * kernel + position]) }
      }
      for first in stride(from: 0, to: ordered.count - 1, by: 2) {
        #expect(abs(ordered[first] + ordered[first + 1]) <= 128, "seed \(seed)")
      }
      let scale = channel.map(abs).max().map { $0 / 127 } ?? 1
      var nearest = channel.map { Int32(($0 / scale).rounded()) }
      nearest.withUnsafeMutableBufferPointer { limit.limit($0) }
      plain += test.loss(zip(channel, nearest).map { Double($0 - Float($1) * scale) }, damped)
      let own = test.loss(
        zip(channel, test.values(result)).map { Double($0) - Double($1) }, damped)
      #expect(abs(own - result.loss) <= 1e-3 * own + 1e-7, "seed \(seed)")
      loss += own
    }
    #expect(loss < plain, "seed \(seed)")
  }

  /// One weight at a time, in double precision, as the loss itself says.
  @Test(arguments: 1...20 as ClosedRange<UInt64>)
  func aSweepGivesEachWeightItsBestInteger(seed: UInt64) {
    let test = Case(seed: seed)
    let planes = Planes(test.products)
    let (size, lanes) = (test.size, lanes)
    let scale: Float = 0.25
    let bounds: (Float, Float) = (-4, 3)
    var weights = [Float](repeating: 0, count: size * lanes)
    for (lane, channel) in test.channels.enumerated() {
      for place in 0..<size { weights[place * lanes + lane] = channel[place] }
    }
    var integers = weights.map { min(max(($0 / scale).rounded(), bounds.0), bounds.1) }
    var errors = zip(weights, integers).map { $0 - $1 * scale }
    var expected = integers
    let matrix = planes.products.map { Double($0) }
    for lane in test.channels.indices {
      func errors(_ place: Int, _ integer: Float) -> [Double] {
        (0..<size).map {
          Double(weights[$0 * lanes + lane])
            - Double(($0 == place ? integer : expected[$0 * lanes + lane]) * scale)
        }
      }
      for place in 0..<size {
        let losses = stride(from: bounds.0, through: bounds.1, by: 1).map {
          (integer: $0, loss: test.loss(errors(place, $0), matrix))
        }
        expected[place * lanes + lane] = losses.min { $0.loss < $1.loss }?.integer ?? 0
      }
    }
    gs_descend_rounding(
      weights, size, planes.products, Array(repeating: scale, count: lanes),
      Array(repeating: bounds.0, count: lanes), Array(repeating: bounds.1, count: lanes), 0,
      &integers, &errors)
    for lane in test.channels.indices {
      for place in 0..<size {
        #expect(
          integers[place * lanes + lane] == expected[place * lanes + lane],
          "seed \(seed), channel \(lane), weight \(place)")
      }
    }
  }

  /// Moving a fitted scale either way loses more.
  @Test(arguments: 1...20 as ClosedRange<UInt64>)
  func aFittedScaleIsTheBestForItsIntegers(seed: UInt64) {
    let test = Case(seed: 2 * seed)
    let planes = Planes(test.products)
    let (size, lanes) = (test.size, lanes)
    var weights = [Float](repeating: 0, count: size * lanes)
    for (lane, channel) in test.channels.enumerated() {
      for place in 0..<size { weights[place * lanes + lane] = channel[place] }
    }
    var scales = [Float](repeating: 0.2, count: lanes)
    let integers = weights.map { ($0 / 0.2).rounded() }
    var errors = zip(weights, integers).map { $0 - $1 * 0.2 }
    gs_refit_scales(
      weights, size, planes.products, (0..<size).map { UInt32($0) }, size, 0.5, &scales, 0,
      integers, &errors)
    let matrix = planes.products.map { Double($0) }
    for lane in test.channels.indices {
      func loss(_ scale: Float) -> Double {
        let errors = (0..<size).map {
          Double(weights[$0 * lanes + lane]) - Double(integers[$0 * lanes + lane]) * Double(scale)
        }
        return test.loss(errors, matrix)
      }
      let best = loss(scales[lane])
      #expect(best <= loss(scales[lane] * 1.002), "seed \(seed), channel \(lane)")
      #expect(best <= loss(scales[lane] * 0.998), "seed \(seed), channel \(lane)")
    }
  }
}
