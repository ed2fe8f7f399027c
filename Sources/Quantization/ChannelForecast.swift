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

  /// A channel's value at each of `points`.
  private func samples(_ channel: Int) -> [Double] {
    switch form {
    case .normal(let means, let deviations):
      ChannelForecast.points.map { means[channel] + deviations[channel] * $0.position }
    case .sampled(let values):
      Array(
        values[
          channel * ChannelForecast.points.count..<(channel + 1) * ChannelForecast.points.count])
    }
  }

  /// The same with other samples of each channel.
  private func with(_ samples: (Int) -> [Double]) -> ChannelForecast {
    var result = self
    var values: [Double] = []
    values.reserveCapacity(count * ChannelForecast.points.count)
    for channel in 0..<count { values += samples(channel) }
    result.form = .sampled(values)
    return result
  }

  /// The mean of each channel.
  var means: [Double] { (0..<count).map { ChannelForecast.mean(samples($0)) } }

  /// The variance of each channel.
  var variances: [Double] {
    (0..<count).map { channel in
      let values = samples(channel)
      let mean = ChannelForecast.mean(values)
      return ChannelForecast.mean(values.map { ($0 - mean) * ($0 - mean) })
    }
  }

  private static func mean(_ values: [Double]) -> Double {
    zip(values, points).reduce(0) { $0 + $1.0 * $1.1.weight }
  }

  /// The same with a function applied to every channel.
  func mapped(_ function: (Double) -> Double) -> ChannelForecast {
    with { samples($0).map(function) }
  }

  /// The same with each channel combined with a constant; one constant serves all channels.
  func combined(
    with constants: [Double], _ function: (Double, Double) -> Double
  ) -> ChannelForecast? {
    guard constants.count == 1 || constants.count == count else { return nil }
    return with { channel in
      let constant = constants.count == 1 ? constants[0] : constants[channel]
      return samples(channel).map { function($0, constant) }
    }
  }

  /// Two functions of the same quantity, point by point; nil otherwise.
  func combined(
    with other: ChannelForecast, _ function: (Double, Double) -> Double
  ) -> ChannelForecast? {
    guard base == other.base, count == other.count else { return nil }
    return with { zip(samples($0), other.samples($0)).map(function) }
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
