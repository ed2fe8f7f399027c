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

  @Test func aCorrectedScaleIsNeverWorseInSquareNorInMean() {
    let seed = UInt64.random(in: 0 ... .max)
    print("seed \(seed)")
    var numbers = TestNumbers(seed: seed)
    var improved = 0
    for _ in 0..<500 {
      let weights = numbers.weights(numbers.integer(1...300)).map(Double.init)
      let scale = Float(numbers.unit() * 0.1 + 1e-4)
      let integers = weights.map { ($0 / Double(scale)).rounded() }
      let moments = Self.moments(weights, integers)
      let corrected = moments.correctedScale(scale)
      func errors(_ scale: Float) -> (square: Double, mean: Double) {
        let all = zip(weights, integers).map { $0 - Double(scale) * $1 }
        return (all.reduce(0) { $0 + $1 * $1 }, abs(all.reduce(0, +)))
      }
      let (before, after) = (errors(scale), errors(corrected))
      #expect(after.square <= before.square * (1 + 1e-12) + 1e-18)
      #expect(after.mean <= before.mean * (1 + 1e-12) + 1e-15)
      if after.mean < before.mean { improved += 1 }
    }
    #expect(improved > 100)
  }

  @Test func channelsOfZerosKeepTheirScale() {
    #expect(RoundingMoments().correctedScale(0.5) == 0.5)
  }

  /// What is expected of a sum of errors times inputs with these means and deviation 1.
  private static func loss(
    _ weights: [Double], _ integers: [Double], _ means: [Double], _ scale: Float,
    _ offset: Float = 0
  ) -> (square: Double, expected: Double, mean: Double) {
    let errors = zip(weights, integers).map { $0 - Double(scale) * $1 - Double(offset) }
    let square = errors.reduce(0) { $0 + $1 * $1 }
    let mean = zip(means, errors).reduce(0) { $0 + $1.0 * $1.1 }
    return (square, square + mean * mean, errors.reduce(0, +) / Double(max(1, errors.count)))
  }

  @Test func aCorrectedScaleIsNeverWorseUnderKnownMeans() {
    let seed = UInt64.random(in: 0 ... .max)
    print("seed \(seed)")
    var numbers = TestNumbers(seed: seed)
    var improved = 0
    for _ in 0..<500 {
      let weights = numbers.weights(numbers.integer(1...300)).map(Double.init)
      let means = weights.map { _ in numbers.unit() * 4 - 1 }
      let scale = Float(numbers.unit() * 0.1 + 1e-4)
      let integers = weights.map { ($0 / Double(scale)).rounded() }
      let corrected = Self.moments(weights, integers, means: means).correctedScale(scale)
      let before = Self.loss(weights, integers, means, scale)
      let after = Self.loss(weights, integers, means, corrected)
      #expect(after.square <= before.square * (1 + 1e-9) + 1e-15)
      #expect(after.expected <= before.expected * (1 + 1e-9) + 1e-15)
      if after.expected < before.expected { improved += 1 }
    }
    #expect(improved > 100)
  }

  @Test(arguments: [false, true]) func anOffsetTakesTheMeanError(knowsMeans: Bool) {
    let seed = UInt64.random(in: 0 ... .max)
    print("seed \(seed)")
    var numbers = TestNumbers(seed: seed)
    for _ in 0..<500 {
      let weights = numbers.weights(numbers.integer(2...300)).map(Double.init)
      var means = weights.map { _ in numbers.unit() * 4 - 1 }
      let mean = means.reduce(0, +) / Double(means.count)
      means = means.map { $0 - mean }
      let scale = Float(numbers.unit() * 0.1 + 1e-4)
      let integers = weights.map { ($0 / Double(scale)).rounded() }
      let moments = Self.moments(weights, integers, means: knowsMeans ? means : nil)
      let corrected = moments.correctedGrid(scale)
      let plain = Self.loss(weights, integers, means, scale)
      let centred = Self.loss(weights, integers, means, scale, Float(plain.mean))
      let after = Self.loss(weights, integers, means, corrected.scale, corrected.offset)
      #expect(abs(after.mean) <= 1e-7)
      #expect(after.square <= centred.square * (1 + 1e-6) + 1e-12)
      #expect(after.square <= plain.square * (1 + 1e-6) + 1e-12)
      if knowsMeans { #expect(after.expected <= centred.expected * (1 + 1e-6) + 1e-12) }
      let told = moments.squaredError(
        scale: Double(corrected.scale), offset: Double(corrected.offset))
      #expect(abs(told - after.square) <= 1e-9)
    }
  }
}
