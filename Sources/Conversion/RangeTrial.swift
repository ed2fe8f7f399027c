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

/// Quantizes copies of a model with two sets of ranges and compares their results: the least error
/// of each tensor is no promise for the model's.
struct RangeTrial {
  let conversion: FullConversion
  let calibrated: FullConversion.Calibrated
  let samples: CalibrationSet

  /// Signal to noise beyond this counts as this, so that one exact result doesn't decide.
  private static let most = 100.0

  /// Compares the calibration's ranges with others, on samples held back where there are some.
  func run(against whole: [String: ActivationFacts]) throws(Failure) -> RangeTrialFacts {
    RangeTrialFacts(
      chosen: try signalToNoise(calibrated.facts), whole: try signalToNoise(whole))
  }

  private func signalToNoise(_ facts: [String: ActivationFacts]) throws(Failure) -> Double {
    let (model, plan) = try conversion.copy(calibrated)
    _ = try conversion.quantize(model, plan, facts)
    let twin = try ONNXTwin(model, beside: conversion.job.outputPath, pool: conversion.pool)
    let outputs = try conversion.assess(twin.path, samples).outputs
    let sum = outputs.reduce(0) { $0 + min($1.signalToNoise, RangeTrial.most) }
    return sum / Double(max(1, outputs.count))
  }
}
