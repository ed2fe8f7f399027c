import ModelGraph
import Support

/// Batch normalization with known statistics, as a factor and a term for each channel:
/// y = scale * (x - mean) / sqrt(variance + epsilon) + bias.
enum BatchNormalizationMap {
  /// Computed in double precision, each result rounded once. Nil when the extents differ, or
  /// without memory for them.
  static func map(
    scale: Tensor, bias: Tensor, mean: Tensor, variance: Tensor, epsilon: Float
  ) -> (scale: Tensor, shift: Tensor)? {
    let count = scale.count
    guard bias.count == count, mean.count == count, variance.count == count,
      let scales = try? scale.doubles(), let biases = try? bias.doubles(),
      let means = try? mean.doubles(), let variances = try? variance.doubles()
    else { return nil }
    let context = RunContext(pool: BufferPool(), workers: .init(threads: 1))
    guard let factor = try? context.allocate(.float32, [count]),
      let term = try? context.allocate(.float32, [count])
    else { return nil }
    let factors = factor.mutableElements(Float.self)
    let terms = term.mutableElements(Float.self)
    let exact = ChannelTerms(
      scale: scales, bias: biases, mean: means, variance: variances, epsilon: Double(epsilon))
    for channel in 0..<count {
      factors[channel] = Float(exact.scales[channel])
      terms[channel] = Float(exact.shifts[channel])
    }
    return (factor, term)
  }
}
