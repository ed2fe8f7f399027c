import Glibc
import ModelGraph

/// The parameters a tensor got, and what rounding cost it.
public struct TensorParameters: Sendable {
  /// The scale of each channel.
  public var scales: [Float]
  /// The zero point of each channel.
  public var zeroPoints: [Int32]
  /// What is added to each channel after scaling; empty where nothing is.
  public var offsets: [Float]
  /// Sum of squares of the float weights.
  public var signal: Double
  /// Sum of squares of the rounding errors.
  public var noise: Double

  /// Puts slabs together, whatever order they come in.
  public init(slabs: [EncodedParameters]) {
    let ordered = slabs.sorted { $0.firstChannel < $1.firstChannel }
    scales = ordered.flatMap(\.scales)
    zeroPoints = ordered.flatMap(\.zeroPoints)
    offsets = ordered.flatMap(\.offsets)
    signal = ordered.reduce(0) { $0 + $1.signal }
    noise = ordered.reduce(0) { $0 + $1.noise }
  }

  /// Signal to quantization noise ratio of the weights in decibels; infinite without noise.
  public var signalToNoise: Double { QuantizationNoise.decibels(signal: signal, noise: noise) }
}

/// Ratios of powers.
public enum QuantizationNoise {
  /// 10 log10 of the ratio; infinite without noise, also where there is no signal either.
  public static func decibels(signal: Double, noise: Double) -> Double {
    noise > 0 ? 10 * log10(signal / noise) : .infinity
  }
}
