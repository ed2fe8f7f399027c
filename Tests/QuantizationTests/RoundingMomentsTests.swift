import Testing

@testable import Quantization

@Suite struct RoundingMomentsTests {
  @Test func aCorrectedScaleIsNeverWorseInSquareNorInMean() {
    let seed = UInt64.random(in: 0 ... .max)
    print("seed \(seed)")
    var numbers = TestNumbers(seed: seed)
    var improved = 0
    for _ in 0..<500 {
      let weights = numbers.weights(numbers.integer(1...300)).map(Double.init)
      let scale = Float(numbers.unit() * 0.1 + 1e-4)
      let integers = weights.map { ($0 / Double(scale)).rounded() }
      var moments = RoundingMoments()
      for (weight, integer) in zip(weights, integers) {
        moments.integers += Int64(integer)
        moments.integerSquares += Int64(integer * integer)
        moments.values += weight
        moments.products += weight * integer
        moments.valueSquares += weight * weight
      }
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
}
