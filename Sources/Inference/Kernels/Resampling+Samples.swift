import CKernels

/// Where the elements along one resampled axis come from, tap by tap: result j is the sum over k of
/// `weights[k * count + j] * source[indices[k * count + j]]`. Lives as long as the running node.
struct AxisSamples: @unchecked Sendable {
  /// Elements of the result along the axis.
  let count: Int
  /// How many source elements make one of the result.
  let taps: Int
  let indices: UnsafeMutableBufferPointer<Int32>
  let weights: UnsafeMutableBufferPointer<Float>

  init(count: Int, taps: Int, _ context: RunContext) throws {
    self.count = count
    self.taps = taps
    indices = try context.scratch(Int32.self, count, taps)
    weights = try context.scratch(Float.self, count, taps)
  }

  /// Sets one tap of one result.
  func set(_ tap: Int, of position: Int, index: Int, weight: Float) {
    indices[tap * count + position] = Int32(index)
    weights[tap * count + position] = weight
  }

  /// The same for the loops in C.
  var lent: gs_samples {
    gs_samples(
      index: UnsafePointer(indices.baseAddress), weight: UnsafePointer(weights.baseAddress),
      count: count, taps: taps)
  }
}

extension Resampling {
  /// The samples of an axis for linear and cubic interpolation.
  func samples(_ axis: ResizedAxis, _ context: RunContext) throws -> AxisSamples {
    if isAntialiased { return try antialiasedSamples(axis, context) }
    return try interpolation == .cubic ? cubicSamples(axis, context) : linearSamples(axis, context)
  }

  private func linearSamples(_ axis: ResizedAxis, _ context: RunContext) throws -> AxisSamples {
    let samples = try AxisSamples(count: axis.target, taps: 2, context)
    let last = axis.source - 1
    for position in 0..<axis.target {
      let place = min(max(coordinate(position, axis), 0), Float(last))
      let lower = min(Int(place), last)
      let upper = min(lower + 1, last)
      let share = lower == upper ? 0.5 : place - Float(lower)
      samples.set(0, of: position, index: lower, weight: 1 - share)
      samples.set(1, of: position, index: upper, weight: share)
    }
    return samples
  }

  private func cubicSamples(_ axis: ResizedAxis, _ context: RunContext) throws -> AxisSamples {
    let samples = try AxisSamples(count: axis.target, taps: 4, context)
    for position in 0..<axis.target {
      let place = coordinate(position, axis)
      let lower = place.rounded(.down)
      var weights = CubicFilter(coefficient: cubicCoefficient).weights(place - lower)
      let first = Int(lower) - 1
      if excludesOutside {
        for tap in 0..<4 where !(0..<axis.source).contains(first + tap) { weights[tap] = 0 }
        let total = weights.sum()
        if total != 0 { weights /= total }
      }
      for tap in 0..<4 {
        let index = min(max(first + tap, 0), axis.source - 1)
        samples.set(tap, of: position, index: index, weight: weights[tap])
      }
    }
    return samples
  }

  /// Filters as wide as the distance between samples where the axis shrinks: a triangle for linear,
  /// the cubic kernel for cubic interpolation.
  private func antialiasedSamples(_ axis: ResizedAxis, _ context: RunContext) throws -> AxisSamples
  {
    let stretch = max(1 / axis.scale, 1)
    let support = interpolation == .cubic ? 2 * stretch : stretch
    let window = min(2 * Int(support.rounded(.up)) + 1, axis.source)
    let samples = try AxisSamples(count: axis.target, taps: window, context)
    let cubic = CubicFilter(coefficient: cubicCoefficient)
    let last = axis.source - 1
    for position in 0..<axis.target {
      let center = coordinate(position, axis) + 0.5
      let begin = Int((center - support + 0.5).rounded(.down))
      let end = Int((center + support + 0.5).rounded(.down))
      let base = min(max(begin, 0), last)
      for tap in 0..<window {
        samples.set(tap, of: position, index: min(base + tap, last), weight: 0)
      }
      var total: Float = 0
      for index in begin..<max(begin, end) {
        let inside = min(max(index, 0), last)
        if excludesOutside, inside != index { continue }
        let distance = (Float(index) - center + 0.5) / stretch
        let weight =
          interpolation == .cubic ? cubic.weight(distance) : max(0, 1 - abs(distance))
        let place = min(inside - base, window - 1) * axis.target + position
        samples.weights[place] += weight
        total += weight
      }
      guard total != 0 else { continue }
      for tap in 0..<window { samples.weights[tap * axis.target + position] /= total }
    }
    return samples
  }
}

/// The cubic convolution kernel (Keys 1981, equation 4) with a free coefficient.
struct CubicFilter {
  /// The slope at distance 1, between -1 and 0.
  let coefficient: Float

  /// The kernel at a distance from its center.
  func weight(_ distance: Float) -> Float {
    let x = abs(distance)
    let a = coefficient
    if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
    return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0
  }

  /// The weights of the four neighbours of a place that lies `share` beyond the second.
  func weights(_ share: Float) -> SIMD4<Float> {
    SIMD4(weight(1 + share), weight(share), weight(1 - share), weight(2 - share))
  }
}
