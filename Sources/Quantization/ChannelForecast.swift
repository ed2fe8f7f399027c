import Glibc
import ModelGraph

/// What is expected of the channels (axis 1) of an activation: each is a function of a normally
/// distributed quantity, given at fixed points of that quantity.
///
/// Functions of the same quantity combine exactly, which is what written-out activations
/// (`x * clip(x + 3, 0, 6) / 6`) need; different quantities are taken as independent.
struct ChannelForecast {
  /// Points of the standard normal distribution, and the probability that goes with each.
  static let points: [(position: Double, weight: Double)] = {
    let positions = (-16...16).map { Double($0) / 5 }
    let densities = positions.map { exp(-$0 * $0 / 2) }
    let total = densities.reduce(0, +)
    return zip(positions, densities).map { ($0, $1 / total) }
  }()

  /// The quantity that the samples are functions of.
  let base: ObjectIdentifier
  /// For each channel, its value at each of `points`.
  private(set) var samples: [[Double]]

  /// Channels that are normally distributed themselves, as value `base` makes them.
  init(base: Value, means: [Double], variances: [Double]) {
    self.base = ObjectIdentifier(base)
    samples = zip(means, variances).map { mean, variance in
      let deviation = max(0, variance).squareRoot()
      return ChannelForecast.points.map { mean + deviation * $0.position }
    }
  }

  /// Number of channels.
  var count: Int { samples.count }

  /// The mean of each channel.
  var means: [Double] { samples.map { ChannelForecast.mean($0) } }

  /// The variance of each channel.
  var variances: [Double] {
    samples.map { values in
      let mean = ChannelForecast.mean(values)
      return ChannelForecast.mean(values.map { ($0 - mean) * ($0 - mean) })
    }
  }

  private static func mean(_ values: [Double]) -> Double {
    zip(values, points).reduce(0) { $0 + $1.0 * $1.1.weight }
  }

  /// The same with a function applied to every channel.
  func mapped(_ function: (Double) -> Double) -> ChannelForecast {
    var result = self
    result.samples = samples.map { $0.map(function) }
    return result
  }

  /// The same with each channel combined with a constant; one constant serves all channels.
  func combined(
    with constants: [Double], _ function: (Double, Double) -> Double
  ) -> ChannelForecast? {
    guard constants.count == 1 || constants.count == count else { return nil }
    var result = self
    for index in samples.indices {
      let constant = constants.count == 1 ? constants[0] : constants[index]
      result.samples[index] = samples[index].map { function($0, constant) }
    }
    return result
  }

  /// Two functions of the same quantity, point by point; nil otherwise.
  func combined(
    with other: ChannelForecast, _ function: (Double, Double) -> Double
  ) -> ChannelForecast? {
    guard base == other.base, count == other.count else { return nil }
    var result = self
    result.samples = zip(samples, other.samples).map { zip($0, $1).map(function) }
    return result
  }

  /// Means in units of the channels' typical deviation, in sixty-fourths, for integer arithmetic;
  /// nil when any isn't finite.
  var relativeMeans: [Int32]? {
    guard count > 0 else { return nil }
    let variances = variances
    let typical = (variances.reduce(0, +) / Double(count) + 1e-12).squareRoot()
    let relative = means.map { (64 * $0 / typical).rounded(.toNearestOrEven) }
    guard relative.allSatisfy(\.isFinite) else { return nil }
    return relative.map { Int32(max(-1024, min(1024, $0))) }
  }
}
