import ModelGraph
import Testing

@testable import Quantization

@Suite struct ActivationForecastTests {
  private let base = Value(name: "base")

  private func normal(_ mean: Double, _ variance: Double) -> ChannelForecast {
    ChannelForecast(base: base, means: [mean], variances: [variance])
  }

  @Test func meanAndVarianceComeBack() {
    for (mean, variance) in [(0.0, 1.0), (3, 4), (-2, 0.25), (1, 0)] {
      let forecast = normal(mean, variance)
      #expect(abs(forecast.moments.means[0] - mean) < 1e-9)
      #expect(abs(forecast.moments.variances[0] - variance) < 0.03 * variance + 1e-9)
    }
  }

  /// The mean of max(0, x) for a standard normal x is 1 / sqrt(2 pi).
  @Test func rectifyingMovesTheMean() {
    let rectified = normal(0, 1).mapped { max(0, $0) }
    #expect(abs(rectified.moments.means[0] - 0.3989) < 0.01)
    #expect(abs(rectified.moments.variances[0] - 0.3408) < 0.01)
  }

  /// x * clip(x + 3, 0, 6) / 6 as exporters write it, node by node.
  @Test func aWrittenOutActivationIsFollowedExactly() {
    func constant(_ name: String, _ number: Float) -> Value {
      let value = Value(name: name)
      value.initializer = TensorData(float32: [number], isScalar: true)
      return value
    }
    let scale = Value(name: "scale")
    scale.initializer = TensorData(float32: [1.5])
    let offset = Value(name: "offset")
    offset.initializer = TensorData(float32: [0.5])
    let (x, sum, cut, product, y) = (
      Value(name: "x"), Value(name: "sum"), Value(name: "cut"), Value(name: "product"),
      Value(name: "y")
    )
    let nodes = [
      Node(
        operatorType: "BatchNormalization",
        inputs: [Value(name: "i"), scale, offset, offset, scale],
        outputs: [x]),
      Node(operatorType: "Add", inputs: [x, constant("three", 3)], outputs: [sum]),
      Node(
        operatorType: "Clip", inputs: [sum, constant("zero", 0), constant("six", 6)],
        outputs: [cut]),
      Node(operatorType: "Mul", inputs: [x, cut], outputs: [product]),
      Node(operatorType: "Div", inputs: [product, constant("sixth", 6)], outputs: [y]),
    ]
    var forecast = ActivationForecast()
    let found = forecast.channels(of: y) ?? normal(.nan, .nan)
    let expected = normal(0.5, 2.25).mapped { $0 * max(0, min(6, $0 + 3)) / 6 }
    #expect(abs(found.moments.means[0] - expected.moments.means[0]) < 1e-9)
    #expect(abs(found.moments.variances[0] - expected.moments.variances[0]) < 1e-9)
    // Values don't keep their producers alive.
    withExtendedLifetime(nodes) {}
  }

  @Test func largeRelativeMeansKeepTheirProportions() {
    let cases: [(means: [Double], variance: Double, expected: [Int32])] = [
      ([1, -2, 3], 16, [16, -32, 48]), ([1, -2, 3], 1e-6, [341, -683, 1024]),
      ([100, -10, 0], 4, [1024, -102, 0]), ([0, 0, 0], 0, [0, 0, 0]),
    ]
    for (means, variance, expected) in cases {
      let forecast = ChannelForecast(
        base: base, means: means, variances: Array(repeating: variance, count: means.count))
      #expect(forecast.relativeMeans == expected)
    }
  }

  @Test func meansThatAreNotFiniteAreNotUsed() {
    for mean in [Double.nan, .infinity] {
      let forecast = ChannelForecast(base: base, means: [1, mean], variances: [1, 1])
      #expect(forecast.relativeMeans == nil)
    }
  }

  @Test func whatIsNotKnownGivesNothing() {
    var forecast = ActivationForecast()
    #expect(forecast.channels(of: Value(name: "x")) == nil)
    let y = Value(name: "y")
    let node = Node(operatorType: "NonZero", inputs: [Value(name: "x")], outputs: [y])
    #expect(forecast.channels(of: y) == nil)
    withExtendedLifetime(node) {}
  }

  @Test func aValueKeepsWhatANormalizationSaidOfIt() throws {
    let value = Value(name: "folded")
    value.channelMoments = ChannelMoments(means: [1, -2], variances: [4, 9])
    var forecast = ActivationForecast()
    let channels = forecast.channels(of: value)
    let found = try #require(channels).moments
    #expect(found.means == [1, -2])
    #expect(zip(found.variances, [4, 9]).allSatisfy { abs($0 / $1 - 1) < 0.03 })
  }
}
