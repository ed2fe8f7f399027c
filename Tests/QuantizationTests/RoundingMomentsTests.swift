import Testing

@testable import Quantization

@Suite struct RoundingMomentsTests {
  private static func moments(
    _ weights: [Double], _ integers: [Double], means: [Double]? = nil
  ) -> RoundingMoments {
    var moments = RoundingMoments()
    moments.count = weights.count
    for (weight, integer) in zip(weights, integers) {
      moments.integers += Int64(integer)
      moments.integerSquares += Int64(integer * integer)
      moments.values += weight
      moments.products += weight * integer
      moments.valueSquares += weight * weight
    }
    if let means {
      let weight = zip(means, weights).reduce(0) { $0 + $1.0 * $1.1 }
      let integer = zip(means, integers).reduce(0) { $0 + $1.0 * $1.1 }
      moments.expected = (weight * integer, integer * integer)
    }
    return moments
  }

  /// What a sum of errors times inputs with these means and deviation 1 is expected to be.
  private struct Loss {
    let square: Double
    let expected: Double
    let mean: Double
  }

  /// Random weights, their integers under a random scale, and means of their inputs.
  private struct Sample {
    let weights: [Double]
    let integers: [Double]
    let means: [Double]
    let scale: Float

    init(_ numbers: inout TestNumbers, least: Int = 1, areCentred: Bool = false) {
      weights = numbers.weights(numbers.integer(least...300)).map(Double.init)
      let scale = Float(numbers.unit() * 0.1 + 1e-4)
      self.scale = scale
      integers = weights.map { ($0 / Double(scale)).rounded() }
      let means = weights.map { _ in numbers.unit() * 4 - 1 }
      let mean = areCentred ? means.reduce(0, +) / Double(means.count) : 0
      self.means = means.map { $0 - mean }
    }

    func moments(knowsMeans: Bool) -> RoundingMoments {
      RoundingMomentsTests.moments(weights, integers, means: knowsMeans ? means : nil)
    }

    func loss(_ scale: Float, _ offset: Float = 0) -> Loss {
      let errors = zip(weights, integers).map { $0 - Double(scale) * $1 - Double(offset) }
      let square = errors.reduce(0) { $0 + $1 * $1 }
      let sum = zip(means, errors).reduce(0) { $0 + $1.0 * $1.1 }
      return Loss(
        square: square, expected: square + sum * sum,
        mean: errors.reduce(0, +) / Double(errors.count))
    }
  }

  private static func forEachSample(
    least: Int = 1, areCentred: Bool = false, _ check: (Sample) -> Void
  ) {
    let seed = UInt64.random(in: 0 ... .max)
    print("seed \(seed)")
    var numbers = TestNumbers(seed: seed)
    for _ in 0..<500 { check(Sample(&numbers, least: least, areCentred: areCentred)) }
  }

  @Test(arguments: [false, true])
  func aCorrectedScaleIsNeverWorse(knowsMeans: Bool) {
    var improved = 0
    Self.forEachSample { sample in
      let corrected = sample.moments(knowsMeans: knowsMeans).correctedScale(sample.scale)
      let (before, after) = (sample.loss(sample.scale), sample.loss(corrected))
      #expect(after.square <= before.square * (1 + 1e-12) + 1e-15)
      let (old, new) =
        knowsMeans ? (before.expected, after.expected) : (abs(before.mean), abs(after.mean))
      #expect(new <= old * (1 + 1e-9) + 1e-15)
      if new < old { improved += 1 }
    }
    #expect(improved > 100)
  }

  @Test func channelsOfZerosKeepTheirScale() {
    #expect(RoundingMoments().correctedScale(0.5) == 0.5)
  }

  @Test(arguments: [false, true]) func anOffsetTakesTheMeanError(knowsMeans: Bool) {
    Self.forEachSample(least: 2, areCentred: true) { sample in
      let moments = sample.moments(knowsMeans: knowsMeans)
      let corrected = moments.correctedGrid(sample.scale)
      let plain = sample.loss(sample.scale)
      let centred = sample.loss(sample.scale, Float(plain.mean))
      let after = sample.loss(corrected.scale, corrected.offset)
      #expect(abs(after.mean) <= 1e-7)
      #expect(after.square <= centred.square * (1 + 1e-6) + 1e-12)
      #expect(after.square <= plain.square * (1 + 1e-6) + 1e-12)
      if knowsMeans { #expect(after.expected <= centred.expected * (1 + 1e-6) + 1e-12) }
      let told = moments.squaredError(
        scale: Double(corrected.scale), offset: Double(corrected.offset))
      #expect(abs(told - after.square) <= 1e-9)
    }
  }

  /// Equal integers say nothing of a scale; the offset alone makes them right.
  @Test(arguments: [1, 3, 1000]) func equalIntegersKeepTheirScale(count: Int) {
    var moments = RoundingMoments()
    moments.count = count
    moments.integers = Int64(count) * 253
    moments.integerSquares = Int64(count) * 253 * 253
    moments.values = Double(count) * 0.7
    moments.products = Double(count) * 0.7 * 253
    moments.valueSquares = Double(count) * 0.49
    let (scale, offset) = moments.correctedGrid(0.0028)
    #expect(scale == 0.0028)
    #expect(abs(253 * 0.0028 + Double(offset) - 0.7) < 1e-7)
  }
}
