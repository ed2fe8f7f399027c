import Glibc

/// How a quantized model's results compare with the float model's.
public struct QualityReport: Sendable {
  /// One result of the model.
  public struct Output: Sendable {
    /// Its name.
    public var name: String
    /// Cosine of the angle between all float and all quantized elements.
    public var cosine: Double
    /// The least cosine of a single sample.
    public var worstCosine: Double
    /// Signal to quantization noise in decibels; infinite without noise, minus infinity where nothing
    /// is left of the signal.
    public var signalToNoise: Double
    /// In how many rows the largest element stands in the same place, and of how many; nil where
    /// the result doesn't look like scores.
    public var agreement: (same: Int, of: Int)?
    /// The cosine of each sample.
    public var cosines: [Double]
  }

  /// What the two models were compared on.
  public enum Source: String, Sendable {
    /// Samples that weren't used for calibration.
    case unused = "samples not used for calibration"
    /// Samples that were.
    case calibration = "calibration samples"
    /// Made input, without meaning.
    case random = "random input"
  }

  /// How many samples were compared.
  public var sampleCount: Int
  /// What was fed.
  public var source: Source
  /// The results of floats, in the model's order.
  public var outputs: [Output]

  /// The least cosine of any result.
  public var leastCosine: Double { outputs.map(\.cosine).min() ?? 1 }
}

/// Sums over pairs of elements, enough for cosine and noise.
struct PairSums {
  /// Sum of the squares of the float elements.
  var float = 0.0
  /// Sum of the squares of the quantized elements.
  var quantized = 0.0
  /// Sum of products.
  var products = 0.0
  /// Sum of squared differences.
  var differences = 0.0

  mutating func add(_ other: PairSums) {
    float += other.float
    quantized += other.quantized
    products += other.products
    differences += other.differences
  }

  init() {}

  /// Looks at two tensors of equally many elements.
  init(_ a: UnsafeBufferPointer<Float>, _ b: UnsafeBufferPointer<Float>) {
    for index in 0..<min(a.count, b.count) {
      let (x, y) = (Double(a[index]), Double(b[index]))
      float += x * x
      quantized += y * y
      products += x * y
      differences += (x - y) * (x - y)
    }
  }

  /// 1 for two tensors of zeros, 0 where one of them is, or anything isn't finite.
  var cosine: Double {
    guard products.isFinite, float.isFinite, quantized.isFinite else { return 0 }
    if float == 0 && quantized == 0 { return 1 }
    let norm = (float * quantized).squareRoot()
    return norm > 0 ? products / norm : 0
  }

  /// Signal to noise in decibels: infinite without noise, minus infinity without signal or where
  /// anything isn't finite.
  var signalToNoise: Double {
    guard float.isFinite, differences.isFinite else { return -.infinity }
    return differences > 0 ? 10 * log10(float / differences) : .infinity
  }
}
