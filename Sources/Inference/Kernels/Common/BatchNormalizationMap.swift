import ModelGraph

/// Batch normalization with known statistics, as a factor and a term for each channel:
/// y = scale * (x - mean) / sqrt(variance + epsilon) + bias.
enum BatchNormalizationMap {
  /// Computed in double precision, each result rounded once. Nil when the extents differ.
  static func map(
    scale: Tensor, bias: Tensor, mean: Tensor, variance: Tensor, epsilon: Float
  ) -> (scale: Tensor, shift: Tensor)? {
    let count = scale.count
    guard bias.count == count, mean.count == count, variance.count == count,
      let scales = try? scale.doubles(), let biases = try? bias.doubles(),
      let means = try? mean.doubles(), let variances = try? variance.doubles()
    else { return nil }
    let pool = BufferPool()
    let factor = Tensor(.float32, [count], storage: pool.storage(byteCount: 4 * count))
    let term = Tensor(.float32, [count], storage: pool.storage(byteCount: 4 * count))
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
