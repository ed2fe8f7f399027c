import ModelGraph
import Quantization
import SampleData
import Support

/// What came of comparing chosen ranges with MAX_MIN's.
public struct RangeTrialFacts: Sendable {
  /// Signal to quantization noise of the results with the chosen ranges, in decibels; the mean over
  /// the model's results.
  public var chosen: Double
  /// The same with MAX_MIN's ranges.
  public var whole: Double

  /// Whether MAX_MIN's ranges are better.
  public var prefersWholeRanges: Bool { whole > chosen }
}

/// What came of comparing weights rounded on samples with weights rounded without.
public struct RoundingTrialFacts: Sendable {
  /// Signal to quantization noise of the results with weights rounded on samples, in decibels; the
  /// mean over the model's results.
  public var sampled: Double
  /// The same with weights rounded without samples.
  public var plain: Double

  /// Whether rounding without samples is better.
  public var prefersPlain: Bool { plain > sampled }
}

/// Quantizes copies of a model in two ways and compares their results: the least error of each tensor
/// or operator is no promise for the model's. One copy is in memory at a time.
struct FullTrial {
  let conversion: FullConversion
  let calibrated: FullConversion.Calibrated
  let samples: CalibrationSet

  /// Signal to noise beyond this counts as this, so that one exact result doesn't decide.
  private static let most = 100.0

  /// Compares the calibration's ranges with others, on samples held back where there are some.
  func compareRanges(with whole: [String: ActivationFacts]) throws(Failure) -> RangeTrialFacts {
    RangeTrialFacts(
      chosen: try signalToNoise(calibrated.facts), whole: try signalToNoise(whole))
  }

  /// Compares weights rounded on samples with weights rounded without, on samples held back where
  /// there are some.
  func compareRounding(
    _ rounded: [Int: RoundedWeights]
  ) throws(Failure) -> RoundingTrialFacts {
    RoundingTrialFacts(
      sampled: try signalToNoise(calibrated.facts, rounded),
      plain: try signalToNoise(calibrated.facts))
  }

  private func signalToNoise(
    _ facts: [String: ActivationFacts], _ rounded: [Int: RoundedWeights] = [:]
  ) throws(Failure) -> Double {
    let twin = try twin(facts, rounded)
    let outputs = try conversion.assess(twin.path, samples).outputs
    let sum = outputs.reduce(0) { $0 + min($1.signalToNoise, FullTrial.most) }
    return sum / Double(max(1, outputs.count))
  }

  private func twin(
    _ facts: [String: ActivationFacts], _ rounded: [Int: RoundedWeights]
  ) throws(Failure) -> ONNXTwin {
    let (model, plan) = try conversion.copy(calibrated)
    _ = try conversion.quantize(model, plan, facts, rounded)
    return try ONNXTwin(model, beside: conversion.job.outputPath, pool: conversion.pool)
  }
}
