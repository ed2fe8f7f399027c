import CKernels
import ModelGraph
import Testing

@testable import Quantization

/// A case of make_golden.py.
struct GoldenFeedback: Sendable {
  let seed: UInt64
  let channels, size, rows, bits: Int
  /// `[channels][size]`, around zero.
  let integers: [Int]

  /// Multiples of 1/4096, as the script makes them.
  private static func units(_ seed: UInt64, _ count: Int) -> [Double] {
    var numbers = TestNumbers(seed: seed)
    return (0..<count).map { _ in Double(numbers.next() >> 52) / 4096 }
  }

  /// `[channels][size]`.
  var weights: [Float] {
    GoldenFeedback.units(10 * seed, channels * size).map { Float($0 * 2 - 1) }
  }

  /// `[rows][size]`.
  var inputs: [Float] {
    let mix = GoldenFeedback.units(10 * seed + 1, size * size).map {
      ($0 * 16).rounded(.toNearestOrEven)
    }
    let plain = GoldenFeedback.units(10 * seed + 2, rows * size)
    return (0..<rows * size).map { place in
      let (row, column) = place.quotientAndRemainder(dividingBy: size)
      let sum = (0..<size).reduce(0.0) { $0 + plain[row * size + $1] * mix[$1 * size + column] }
      return Float(sum / 16)
    }
  }
}

@Suite struct FeedbackRoundingTests {
  private func moments(_ inputs: [Float], _ size: Int, splitAt cut: Int? = nil) -> InputMoments {
    var moments = InputMoments(groups: 1, columns: size)
    let rows = inputs.count / size
    for part in [0..<(cut ?? rows), (cut ?? rows)..<rows] where !part.isEmpty {
      var told = InputMoments.Part(groups: 1, columns: size, isDepthwise: false)
      Array(inputs[part.lowerBound * size..<part.upperBound * size]).withUnsafeBufferPointer {
        told.add($0, count: part.count, group: 0)
      }
      moments.merge(told)
    }
    return moments
  }

  private func recipe(
    _ channels: Int, _ size: Int, bits: Int, isPerTensor: Bool = false, block: Int? = nil
  ) -> WeightRecipe {
    var storage = QuantizedStorage(bits: bits, elementType: .int8, axis: isPerTensor ? nil : 0)
    storage.block = block.map { .init(size: $0, axis: 1) }
    return WeightRecipe(
      storage: storage,
      layout: ChannelLayout(dimensions: [channels, size], axis: 0, kernelAxis: nil),
      range: .maxMin, round: .nearest, correctsScale: false)
  }

  @Test(arguments: goldenFeedback, [0, Int(GS_FEEDBACK_ROWS)])
  func integersAreThoseOfThePaper(golden: GoldenFeedback, step: Int) {
    let planes = Planes(
      moments(golden.inputs, golden.size).matrix(0))
    let lanes = Int(GS_FEEDBACK_ROWS)
    let size = golden.size
    let scale = Float(golden.bits == 2 ? 0.5 : golden.bits == 3 ? 0.25 : 0.125)
    let half = Float(1 << (golden.bits - 1))
    for first in stride(from: 0, to: golden.channels, by: lanes) {
      let channels = first..<min(golden.channels, first + lanes)
      var weights = [Float](repeating: 0, count: size * lanes)
      for channel in channels {
        for (place, column) in planes.order.enumerated() {
          weights[place * lanes + channel - first] = golden.weights[channel * size + column]
        }
      }
      func all(_ value: Float) -> [Float] {
        Array(repeating: value, count: step == 0 ? lanes : size * lanes)
      }
      var integers = weights
      var errors = weights
      var losses = [Double](repeating: 0, count: lanes)
      gs_round_with_feedback(
        weights, size, planes.coefficients, planes.shares, all(scale), all(-half), all(half - 1),
        step,
        &integers, &errors, &losses)
      for channel in channels {
        for (place, column) in planes.order.enumerated() {
          #expect(
            Int(integers[place * lanes + channel - first])
              == golden.integers[channel * size + column],
            "case \(golden.seed), channel \(channel), column \(column)")
        }
      }
    }
  }

  /// No single step is left that helps, and none made it worse.
  @Test(arguments: 1...20 as ClosedRange<UInt64>, [false, true])
  func refiningEndsWhereNoStepHelps(seed: UInt64, rescales: Bool) {
    let lanes = Int(GS_FEEDBACK_ROWS)
    let size = 3 + Int(seed)
    let golden = GoldenFeedback(
      seed: 200 + seed, channels: lanes, size: size, rows: 60, bits: 3, integers: [])
    let planes = Planes(moments(golden.inputs, size).matrix(0))
    let matrix = planes.matrix.map(Double.init)
    func cost(_ integers: [Float], _ scale: Float, _ lane: Int) -> Double {
      let errors = (0..<size).map {
        Double(golden.weights[lane * size + $0] - integers[$0 * lanes + lane] * scale)
      }
      return (0..<size * size).reduce(0) {
        $0 + errors[$1 / size] * matrix[$1] * errors[$1 % size]
      }
    }
    let weights = (0..<size * lanes).map { golden.weights[$0 % lanes * size + $0 / lanes] }
    let before = weights.map { min(max(($0 / 0.25).rounded(), -4), 3) }
    var integers = before
    var scratch = [Float](repeating: 0, count: 3 * size * lanes + size)
    var factors = [Float](repeating: 0, count: lanes)
    func all(_ number: Float) -> [Float] { [Float](repeating: number, count: lanes) }
    gs_refine_rounding(
      planes.matrix, weights, size, lanes - 1, all(0.25), all(-4), all(3), 0, rescales ? 1 : 0,
      &integers, &scratch, &factors)
    for lane in 0..<lanes - 1 {
      let scale = 0.25 * factors[lane]
      #expect(rescales || factors[lane] == 1)
      let found = cost(integers, scale, lane)
      #expect(found <= cost(before, 0.25, lane) * 1.0001, "seed \(seed), channel \(lane)")
      guard !rescales else { continue }
      for column in 0..<size {
        for step: Float in [-1, 1] where (-4...3).contains(integers[column * lanes + lane] + step) {
          var moved = integers
          moved[column * lanes + lane] += step
          #expect(cost(moved, scale, lane) >= found * 0.9995, "seed \(seed), channel \(lane)")
        }
      }
    }
    #expect(
      (0..<size).allSatisfy { integers[$0 * lanes + lanes - 1] == before[$0 * lanes + lanes - 1] })
  }

  /// The mean squared error of the results, from the inputs themselves: around its mean, or with the
  /// squared mean once more.
  private func cost(
    _ weights: [Float], _ rounded: [Float], _ inputs: [Float], _ size: Int, isCentered: Bool
  ) -> Double {
    let rows = inputs.count / size
    var total = 0.0
    for channel in 0..<weights.count / size {
      let errors = (0..<rows).map { row in
        (0..<size).reduce(0.0) {
          $0 + Double(weights[channel * size + $1] - rounded[channel * size + $1])
            * Double(inputs[row * size + $1])
        }
      }
      let mean = errors.reduce(0, +) / Double(rows)
      total +=
        errors.reduce(0) { $0 + $1 * $1 } / Double(rows) + (isCentered ? -1 : 1) * mean * mean
    }
    return total
  }

  @Test(arguments: 1...24 as ClosedRange<UInt64>)
  func resultsChangeLessThanWithNearestRounding(seed: UInt64) throws {
    var numbers = TestNumbers(seed: seed)
    let block = seed % 3 == 1 ? 4 : nil
    let golden = GoldenFeedback(
      seed: 100 + seed, channels: numbers.integer(1...20),
      size: block.map { $0 * numbers.integer(1...10) } ?? numbers.integer(2...40), rows: 90,
      bits: numbers.integer(2...8), integers: [])
    let isCentered = seed % 2 == 0
    let recipe = recipe(
      golden.channels, golden.size, bits: golden.bits, isPerTensor: seed % 3 == 0, block: block)
    let source = TensorData(float32: golden.weights, dimensions: [golden.channels, golden.size])
    let rounded = try #require(
      FeedbackRounding(
        source: source, recipe: recipe, moments: moments(golden.inputs, golden.size, splitAt: 31),
        weightOfColumn: Array(0..<golden.size), correctsMeans: isCentered
      ).rounded())
    let nearest = WeightEncoder(source: source, recipe: recipe).quantizedConstant(number: 0)
    let slab = nearest.encode(0)
    let plain = slab.integers.enumerated().map { place, integer in
      let number = recipe.storage.axis == nil ? 0 : place / (block ?? golden.size)
      return slab.parameters.scales[number]
        * Float(Int32(Int8(bitPattern: integer)) - slab.parameters.zeroPoints[number])
    }
    let found = cost(
      golden.weights, rounded.dequantized(recipe.layout), golden.inputs, golden.size,
      isCentered: isCentered)
    let reference = cost(golden.weights, plain, golden.inputs, golden.size, isCentered: isCentered)
    #expect(found <= reference * 1.02 + 1e-12, "seed \(seed): \(found), nearest \(reference)")
    #expect(rounded.grids.count == recipe.scaleCount)
    let limits = -(1 << (golden.bits - 1))..<(1 << (golden.bits - 1))
    #expect(rounded.integers.allSatisfy { limits.contains(Int($0)) }, "seed \(seed)")
    #expect((rounded.meanErrors?.count ?? 0) == (isCentered ? golden.channels : 0))
  }

  @Test func theBiasTakesWhatRoundingTakesFromTheMean() throws {
    let golden = goldenFeedback[1]
    let recipe = recipe(golden.channels, golden.size, bits: 3)
    let rounded = try #require(
      FeedbackRounding(
        source: TensorData(float32: golden.weights, dimensions: [golden.channels, golden.size]),
        recipe: recipe, moments: moments(golden.inputs, golden.size),
        weightOfColumn: Array(0..<golden.size), correctsMeans: true
      ).rounded())
    let errors = try #require(rounded.meanErrors)
    let values = rounded.dequantized(recipe.layout)
    for channel in 0..<golden.channels {
      var mean = 0.0
      for row in 0..<golden.rows {
        for column in 0..<golden.size {
          let error =
            golden.weights[channel * golden.size + column] - values[channel * golden.size + column]
          mean += Double(error) * Double(golden.inputs[row * golden.size + column])
        }
      }
      #expect(abs(mean / Double(golden.rows) - errors[channel]) < 1e-4)
    }
  }

  /// Silent inputs, constant inputs, huge ones and not-a-number all have a result.
  @Test(
    arguments: [[0, 0, 0, 0], [1, 1, 1, 1], [1e20, -1e20, 1e-20, 0], [.nan, 1, 1, 1]] as [[Float]])
  func everyInputHasAResult(row: [Float]) throws {
    let weights: [Float] = [0.5, -0.25, 0.75, 0, 0, 0, 0, 0, 1e-40, 1, -1, 2]
    let recipe = recipe(3, 4, bits: 4)
    let rounded = try #require(
      FeedbackRounding(
        source: TensorData(float32: weights, dimensions: [3, 4]), recipe: recipe,
        moments: moments(row + row, 4), weightOfColumn: [0, 1, 2, 3], correctsMeans: false
      ).rounded())
    let values = rounded.dequantized(recipe.layout)
    #expect(values.allSatisfy { $0.isFinite })
    #expect(rounded.grids.allSatisfy { $0.scale.isFinite && $0.scale > 0 })
  }

  @Test(arguments: 1...12 as ClosedRange<UInt64>) func momentsAreSumsOfProducts(seed: UInt64) {
    var numbers = TestNumbers(seed: seed)
    let isDepthwise = seed % 2 == 0
    let groups = isDepthwise ? numbers.integer(2...9) : 1
    let (columns, count) = (numbers.integer(1...41), numbers.integer(1...300))
    let width = isDepthwise ? columns * groups : columns
    let rows = numbers.weights(count * width)
    var part = InputMoments.Part(groups: groups, columns: columns, isDepthwise: isDepthwise)
    rows.withUnsafeBufferPointer { part.add($0, count: count, group: 0) }
    var moments = InputMoments(groups: groups, columns: columns)
    moments.merge(part)
    for group in 0..<groups {
      let matrix = moments.matrix(group)
      func element(_ row: Int, _ column: Int) -> Double {
        Double(rows[row * width + (isDepthwise ? column * groups + group : column)])
      }
      for i in 0..<columns {
        for j in 0..<columns {
          let sum = (0..<count).reduce(0.0) { $0 + element($1, i) * element($1, j) } / Double(count)
          #expect(abs(sum - matrix[i * columns + j]) < 1e-5 * (1 + abs(sum)), "seed \(seed)")
        }
        let mean = (0..<count).reduce(0.0) { $0 + element($1, i) } / Double(count)
        #expect(abs(mean - moments.means(group)[i]) < 1e-5, "seed \(seed)")
      }
    }
  }

  @Test(arguments: [1, 2, 7, 24, 25, 61]) func factorsMultiplyToTheMatrix(size: Int) {
    var numbers = TestNumbers(seed: UInt64(size))
    let base = numbers.weights(size * size).map(Double.init)
    var matrix = [Double](repeating: 0, count: size * size)
    for i in 0..<size {
      for j in 0..<size {
        matrix[i * size + j] =
          (0..<size).reduce(i == j ? 0.1 : 0) { $0 + base[$1 * size + i] * base[$1 * size + j] }
      }
    }
    var factor = matrix
    #expect(gs_factor(&factor, size) == 0)
    for i in 0..<size {
      for j in i..<size {
        let product = (0...i).reduce(0.0) { $0 + factor[$1 * size + i] * factor[$1 * size + j] }
        #expect(abs(product - matrix[i * size + j]) < 1e-9 * Double(size))
      }
    }
    matrix[0] = -1
    #expect(gs_factor(&matrix, size) == -1)
  }
}
