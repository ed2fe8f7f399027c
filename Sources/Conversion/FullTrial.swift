import ModelGraph
import Quantization
import SampleData
import Support

/// What came of comparing what was fitted to samples with what the plain method gives.
public struct ComparisonFacts: Sendable {
  /// Signal to quantization noise of the results with what was fitted, in decibels; the mean over the
  /// model's results.
  public var fitted: Double
  /// The same with the plain method, MAX_MIN.
  public var plain: Double

  /// Whether the plain method is better.
  public var prefersPlain: Bool { plain > fitted }
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
  func compareRanges(with whole: [String: ActivationFacts]) throws(Failure) -> ComparisonFacts {
    ComparisonFacts(
      fitted: try signalToNoise(calibrated.facts), plain: try signalToNoise(whole))
  }

  /// Compares weights rounded on samples with weights rounded without, on samples held back where
  /// there are some.
  func compareRounding(
    _ rounded: [Int: RoundedWeights]
  ) throws(Failure) -> ComparisonFacts {
    ComparisonFacts(
      fitted: try signalToNoise(calibrated.facts, rounded),
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
