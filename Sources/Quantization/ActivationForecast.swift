import Glibc
import ModelGraph

/// What a network says of its own activations before any data is seen: BatchNormalization gives
/// each channel a mean and a variance, and activations and additions change them in known ways.
///
/// Channels are taken as normally distributed and, where added, as independent. The idea is from
/// data-free quantization (arXiv 1906.04721).
struct ActivationForecast {
  /// Mean and variance of each channel (axis 1).
  struct Channels {
    var means: [Double]
    var variances: [Double]
  }

  private var known: [ObjectIdentifier: Channels?] = [:]

  private static let depthLimit = 24
  /// How much of a channel's variance is left in its average over positions: a guess, which only
  /// scales the weight of means against errors.
  private static let averagedShare = 0.1

  /// The channels of a value; nil where nothing is known.
  ///
  /// - Complexity: O(nodes between the value and the normalizations before it), once.
  mutating func channels(of value: Value) -> Channels? { channels(of: value, depth: 0) }

  private mutating func channels(of value: Value, depth: Int) -> Channels? {
    if let found = known[ObjectIdentifier(value)] { return found }
    guard depth < ActivationForecast.depthLimit, let node = value.producer, node.isStandard else {
      return nil
    }
    let result = channels(of: node, depth: depth + 1)
    known[ObjectIdentifier(value)] = .some(result)
    return result
  }

  private mutating func channels(of node: Node, depth: Int) -> Channels? {
    func input(_ index: Int) -> Value? { index < node.inputs.count ? node.inputs[index] : nil }
    switch node.operatorType {
    case "BatchNormalization":
      guard let scales = input(1)?.constant?.float32Values,
        let offsets = input(2)?.constant?.float32Values, scales.count == offsets.count
      else { return nil }
      return Channels(means: offsets.map(Double.init), variances: scales.map { Double($0 * $0) })
    case "Relu", "Clip":
      guard let source = input(0), let limits = ActivationForecast.limits(of: node) else {
        return nil
      }
      return channels(of: source, depth: depth)?.clipped(to: limits)
    case "Add":
      guard let first = input(0), let second = input(1),
        let left = channels(of: first, depth: depth),
        let right = channels(of: second, depth: depth), left.means.count == right.means.count
      else { return nil }
      return Channels(
        means: zip(left.means, right.means).map(+),
        variances: zip(left.variances, right.variances).map(+))
    case "GlobalAveragePool":
      guard let source = input(0), var result = channels(of: source, depth: depth) else {
        return nil
      }
      result.variances = result.variances.map { $0 * ActivationForecast.averagedShare }
      return result
    case "Identity", "Dropout", "Flatten", "AveragePool":
      return input(0).flatMap { channels(of: $0, depth: depth) }
    default: return nil
    }
  }

  /// The limits of Relu and Clip; nil when they aren't constant.
  private static func limits(of node: Node) -> ClosedRange<Double>? {
    guard node.operatorType == "Clip" else { return 0...Double.infinity }
    var low = Double(node.float("min") ?? -.infinity)
    var high = Double(node.float("max") ?? .infinity)
    for (index, isLow) in [(1, true), (2, false)] where index < node.inputs.count {
      guard let limit = node.inputs[index] else { continue }
      guard let value = limit.constant?.float32Values?.first else { return nil }
      if isLow { low = Double(value) } else { high = Double(value) }
    }
    return low <= high ? low...high : nil
  }
}

extension ActivationForecast.Channels {
  /// Mean and variance after clipping normally distributed values.
  func clipped(to limits: ClosedRange<Double>) -> Self {
    var result = self
    for index in means.indices {
      let mean = means[index]
      let deviation = variances[index].squareRoot() + 1e-9
      let low = (limits.lowerBound - mean) / deviation
      let high = (limits.upperBound - mean) / deviation
      let inside = Normal.share(below: high) - Normal.share(below: low)
      let lowShare = Normal.share(below: low)
      let highShare = 1 - Normal.share(below: high)
      let lowValue = lowShare > 0 ? limits.lowerBound : 0
      let highValue = highShare > 0 && limits.upperBound.isFinite ? limits.upperBound : 0
      let edge = Normal.density(low) - Normal.density(high)
      let first = mean * inside + deviation * edge
      let scaledLow = low.isFinite ? low * Normal.density(low) : 0
      let scaledHigh = high.isFinite ? high * Normal.density(high) : 0
      let second =
        (mean * mean + deviation * deviation) * inside + 2 * mean * deviation * edge
        + deviation * deviation * (scaledLow - scaledHigh)
      let newMean = first + lowValue * lowShare + highValue * highShare
      result.means[index] = newMean
      result.variances[index] = max(
        0,
        second + lowValue * lowValue * lowShare + highValue * highValue * highShare - newMean
          * newMean)
    }
    return result
  }

  /// Means in units of the channels' typical deviation, in sixty-fourths, for integer arithmetic;
  /// nil when any isn't finite.
  var relativeMeans: [Int32]? {
    guard !means.isEmpty else { return nil }
    let typical = (variances.reduce(0, +) / Double(variances.count) + 1e-12).squareRoot()
    let relative = means.map { (64 * $0 / typical).rounded(.toNearestOrEven) }
    guard relative.allSatisfy(\.isFinite) else { return nil }
    return relative.map { Int32(max(-256, min(256, $0))) }
  }
}

/// The standard normal distribution.
private enum Normal {
  static func share(below x: Double) -> Double { 0.5 * erfc(-x / 2.0.squareRoot()) }

  static func density(_ x: Double) -> Double {
    x.isFinite ? exp(-x * x / 2) / (2 * Double.pi).squareRoot() : 0
  }
}
