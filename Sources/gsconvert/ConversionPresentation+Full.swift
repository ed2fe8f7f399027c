import Configuration
import Conversion
import Support

/// What full quantization adds to the summary.
extension ConversionPresentation {
  /// The line about the configuration.
  func fullLine(_ configuration: QuantizationConfiguration) -> String {
    let full = configuration.full
    return [
      "config     FULL_QUANT 8 bit", full.activationQuantMethod.rawValue,
      full.perChannel ? "per channel" : "per tensor",
      full.biasCorrection ? "bias correction" : "no bias correction",
      "skip \(configuration.skipQuantNode.count)",
    ].joined(separator: "   ")
  }

  /// What the model sees of the first sample, a line for each input.
  var sampleLines: [String] {
    guard let full = outcome.full else { return [] }
    return full.firstSample.enumerated().map { index, sample in
      (index == 0 ? "samples    " : "           ") + sample.input + "   " + sample.text
    }
  }

  /// A line for each result that was compared, and how much runs in integers.
  var qualityLines: [String] {
    var lines: [String] = []
    if let quality = outcome.quality {
      for (index, output) in quality.outputs.enumerated() {
        let head = index == 0 ? "quality    \(basis(of: quality))   " : "           "
        lines.append(head + describe(output, isOnly: quality.outputs.count == 1))
      }
    }
    guard let full = outcome.full else { return lines }
    lines += trialLines(full)
    let share = full.integerShare.map { ", \(NumberText.fixed($0 * 100, 1)) % of multiply-adds," }
    lines.append(
      "integer    \(full.integerOperatorCount) of "
        + "\(full.integerOperatorCount + full.floatOperators.count) operators with weights"
        + "\(share ?? "") run in integers on \(full.runtime)")
    return lines
  }

  /// What was tried in two ways, and which of them was taken.
  private func trialLines(_ full: FullFacts) -> [String] {
    func line(
      _ label: String, _ trial: ComparisonFacts?, fitted: (first: String, last: String),
      plain: (first: String, last: String)
    ) -> String? {
      trial.map { trial in
        let pair = trial.prefersPlain ? (plain.first, fitted.last) : (fitted.first, plain.last)
        let values = [trial.plain, trial.fitted].map(decibels)
        let (taken, other) = trial.prefersPlain ? (values[0], values[1]) : (values[1], values[0])
        return "\(label)\(pair.0): \(taken), \(pair.1) \(other)"
      }
    }
    return [
      line(
        "ranges     ", full.rangeTrial,
        fitted: ("least error of each tensor", "with the least error of each tensor"),
        plain: ("MAX_MIN", "with MAX_MIN")),
      line(
        "rounding   ", full.roundingTrial, fitted: ("GPTQ", "with GPTQ"),
        plain: ("without samples", "without samples")),
    ].compactMap { $0 }
  }

  private func basis(of quality: QualityReport) -> String {
    switch quality.source {
    case .unused: "\(quality.sampleCount) samples not used for calibration"
    case .calibration: "\(quality.sampleCount) samples of the calibration"
    case .random: quality.source.rawValue
    }
  }

  private func describe(_ output: QualityReport.Output, isOnly: Bool) -> String {
    var text = isOnly ? "" : "\(output.name)   "
    text += "cosine \(NumberText.fixed(output.cosine, 4)) "
    text += "(worst \(NumberText.fixed(output.worstCosine, 4)))   "
    text += "SQNR \(decibels(output.signalToNoise))"
    if let agreement = output.agreement {
      text += "   top-1 agreement \(agreement.same)/\(agreement.of)"
    }
    return text
  }

  /// The same facts for programs.
  var fullMembers: [(String, JSONValue)] {
    guard let full = outcome.full, let configuration else { return [] }
    let members: [(String, JSONValue)] = [
      ("activationQuantMethod", .string(configuration.full.activationQuantMethod.rawValue)),
      ("samples", .integer(full.sampleCount)),
      ("calibrationSeconds", .number(full.calibrationSeconds)),
      ("ranges", full.rangeTrial.map { json($0, fitted: "AUTO") } ?? .null),
      ("rounding", full.roundingTrial.map { json($0, fitted: "GPTQ") } ?? .null),
      ("integerOperators", .integer(full.integerOperatorCount)),
      ("quantizedActivations", .integer(full.activationCount)),
      ("integerShare", full.integerShare.map { .number($0) } ?? .null),
      (
        "floatOperators",
        .array(
          full.floatOperators.map { item in
            .object([
              ("node", .string(item.node)), ("operator", .string(item.operatorType)),
              ("reason", .string(item.reason)),
            ])
          })
      ),
    ]
    return members
  }

  private func json(_ trial: ComparisonFacts, fitted: String) -> JSONValue {
    .object([
      ("taken", .string(trial.prefersPlain ? "MAX_MIN" : fitted)),
      ("\(fitted.lowercased())Sqnr", .number(trial.fitted)), ("maxMinSqnr", .number(trial.plain)),
    ])
  }

  /// How the results compare.
  func json(_ quality: QualityReport) -> JSONValue {
    .object([
      ("samples", .integer(quality.sampleCount)), ("basis", .string(quality.source.rawValue)),
      ("heldBack", .bool(quality.source == .unused)),
      ("outputs", .array(quality.outputs.map(json))),
    ])
  }

  private func json(_ output: QualityReport.Output) -> JSONValue {
    var members: [(String, JSONValue)] = [
      ("name", .string(output.name)), ("cosine", .number(output.cosine)),
      ("worstCosine", .number(output.worstCosine)),
      (
        "sqnr", output.signalToNoise.isFinite ? .number(output.signalToNoise) : .null
      ),
    ]
    if let agreement = output.agreement {
      members.append(
        ("agreement", .number(Double(agreement.same) / Double(max(1, agreement.of)))))
    }
    return .object(members)
  }
}
