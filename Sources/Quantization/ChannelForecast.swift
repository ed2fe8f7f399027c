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

  private static let positions = points.map(\.position)
  private static let weights = points.map(\.weight)
  /// The variance of `points` themselves.
  private static let spread = points.reduce(0) { $0 + $1.position * $1.position * $1.weight }

  /// Each channel's value at each of `points`.
  private var samples: [Double] {
    guard case .normal(let means, let deviations) = form else {
      if case .sampled(let values) = form { return values }
      return []
    }
    let positions = ChannelForecast.positions
    return [Double](unsafeUninitializedCapacity: count * positions.count) { values, used in
      for channel in 0..<count {
        let (mean, deviation) = (means[channel], deviations[channel])
        for point in positions.indices {
          values[channel &* positions.count &+ point] = mean + deviation * positions[point]
        }
      }
      used = count * positions.count
    }
  }

  /// The same channels with other samples.
  private func with(_ samples: [Double]) -> ChannelForecast {
    var result = self
    result.form = .sampled(samples)
    return result
  }

  /// The mean and the variance of each channel.
  var moments: (means: [Double], variances: [Double]) {
    switch form {
    case .normal(let means, let deviations):
      return (means, deviations.map { $0 * $0 * ChannelForecast.spread })
    case .sampled(let values):
      let weights = ChannelForecast.weights
      var means = [Double](repeating: 0, count: count)
      var variances = means
      values.withUnsafeBufferPointer { values in
        for channel in 0..<count {
          let first = channel &* weights.count
          var mean = 0.0
          for point in weights.indices { mean += values[first &+ point] * weights[point] }
          var variance = 0.0
          for point in weights.indices {
            let difference = values[first &+ point] - mean
            variance += difference * difference * weights[point]
          }
          means[channel] = mean
          variances[channel] = variance
        }
      }
      return (means, variances)
    }
  }

  /// The same with a function applied to every channel.
  func mapped(_ function: (Double) -> Double) -> ChannelForecast { with(samples.map(function)) }

  /// The same with each channel combined with a constant; one constant serves all channels.
  func combined(
    with constants: [Double], _ function: (Double, Double) -> Double
  ) -> ChannelForecast? {
    guard constants.count == 1 || constants.count == count else { return nil }
    var samples = samples
    let points = ChannelForecast.points.count
    for index in samples.indices {
      let constant = constants[constants.count == 1 ? 0 : index / points]
      samples[index] = function(samples[index], constant)
    }
    return with(samples)
  }

  /// Two functions of the same quantity, point by point; nil otherwise.
  func combined(
    with other: ChannelForecast, _ function: (Double, Double) -> Double
  ) -> ChannelForecast? {
    guard base == other.base, count == other.count else { return nil }
    return with(zip(samples, other.samples).map(function))
  }

  /// Means in units of the channels' typical deviation, in sixty-fourths, for integer arithmetic;
  /// nil when any isn't finite. Where the largest is more than 16 all are made smaller in
  /// proportion: errors must still cancel under the means as they relate to each other.
  var relativeMeans: [Int32]? {
    guard count > 0 else { return nil }
    let (means, variances) = moments
    let typical = (variances.reduce(0, +) / Double(count) + 1e-12).squareRoot()
    let largest = means.reduce(0) { max($0, abs($1)) }
    let unit = max(typical, largest / 16)
    let relative = means.map { (64 * $0 / unit).rounded(.toNearestOrEven) }
    guard relative.allSatisfy(\.isFinite) else { return nil }
    return relative.map { Int32($0) }
  }
}
