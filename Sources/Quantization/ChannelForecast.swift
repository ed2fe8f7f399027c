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
  /// Number of channels.
  let count: Int
  private var form: Form

  /// Most activations are only ever read as normal distributions: these aren't spread over the points
  /// before somebody asks.
  private enum Form {
    case normal(means: [Double], deviations: [Double])
    /// For each channel its value at each of `points`.
    case sampled([Double])
  }

  /// Channels that are normally distributed themselves, as value `base` makes them.
  init(base: Value, means: [Double], variances: [Double]) {
    self.base = ObjectIdentifier(base)
    count = min(means.count, variances.count)
    form = .normal(means: means, deviations: variances.map { max(0, $0).squareRoot() })
  }

  /// A channel's value at one of `points`.
  @inline(__always)
  private func sample(_ channel: Int, _ point: Int) -> Double {
    switch form {
    case .normal(let means, let deviations):
      means[channel] + deviations[channel] * ChannelForecast.points[point].position
    case .sampled(let values): values[channel * ChannelForecast.points.count + point]
    }
  }

  /// The same with other samples of each channel.
  private func with(_ sample: (_ channel: Int, _ point: Int) -> Double) -> ChannelForecast {
    let points = ChannelForecast.points.count
    var result = self
    result.form = .sampled(
      [Double](unsafeUninitializedCapacity: count * points) { values, used in
        for channel in 0..<count {
          for point in 0..<points { values[channel * points + point] = sample(channel, point) }
        }
        used = count * points
      })
    return result
  }

  /// The mean of each channel.
  var means: [Double] {
    switch form {
    case .normal(let means, _): means
    case .sampled(let values): (0..<count).map { ChannelForecast.mean(values, $0) }
    }
  }

  /// The variance of each channel.
  var variances: [Double] {
    switch form {
    case .normal(_, let deviations): deviations.map { $0 * $0 * ChannelForecast.spread }
    case .sampled(let values):
      (0..<count).map { channel in
        let mean = ChannelForecast.mean(values, channel)
        let first = channel * ChannelForecast.points.count
        var variance = 0.0
        for (point, weight) in ChannelForecast.weights.enumerated() {
          let difference = values[first + point] - mean
          variance += difference * difference * weight
        }
        return variance
      }
    }
  }

  private static let weights = points.map(\.weight)
  /// The variance of `points` themselves.
  private static let spread = points.reduce(0) { $0 + $1.position * $1.position * $1.weight }

  private static func mean(_ values: [Double], _ channel: Int) -> Double {
    let first = channel * points.count
    var mean = 0.0
    for (point, weight) in weights.enumerated() { mean += values[first + point] * weight }
    return mean
  }

  /// The same with a function applied to every channel.
  func mapped(_ function: (Double) -> Double) -> ChannelForecast {
    with { function(sample($0, $1)) }
  }

  /// The same with each channel combined with a constant; one constant serves all channels.
  func combined(
    with constants: [Double], _ function: (Double, Double) -> Double
  ) -> ChannelForecast? {
    guard constants.count == 1 || constants.count == count else { return nil }
    return with { function(sample($0, $1), constants[constants.count == 1 ? 0 : $0]) }
  }

  /// Two functions of the same quantity, point by point; nil otherwise.
  func combined(
    with other: ChannelForecast, _ function: (Double, Double) -> Double
  ) -> ChannelForecast? {
    guard base == other.base, count == other.count else { return nil }
    return with { function(sample($0, $1), other.sample($0, $1)) }
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
