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
    guard let full = outcome.full else { return [] }
    var lines: [String] = []
    if let quality = full.quality {
      let source = quality.isHeldBack ? "not used for calibration" : "of the calibration"
      for (index, output) in quality.outputs.enumerated() {
        let head =
          index == 0
          ? "quality    \(quality.sampleCount) samples \(source)   "
          : "           "
        lines.append(head + describe(output, isOnly: quality.outputs.count == 1))
      }
    }
    lines.append(
      "integer    \(full.integerOperatorCount) of "
        + "\(full.integerOperatorCount + full.floatOperators.count) operators with weights run in "
        + "integers on ONNX Runtime")
    return lines
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
    var members: [(String, JSONValue)] = [
      ("activationQuantMethod", .string(configuration.full.activationQuantMethod.rawValue)),
      ("samples", .integer(full.sampleCount)),
      ("calibrationSeconds", .number(full.calibrationSeconds)),
      ("integerOperators", .integer(full.integerOperatorCount)),
      ("quantizedActivations", .integer(full.activationCount)),
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
    if let quality = full.quality {
      members.append(
        (
          "quality",
          .object([
            ("samples", .integer(quality.sampleCount)), ("heldBack", .bool(quality.isHeldBack)),
            ("outputs", .array(quality.outputs.map(json))),
          ])
        ))
    }
    return members
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
