import Configuration
import Conversion
import Quantization
import Support

/// Says what a conversion did, or would do, to a person or to a program.
struct ConversionPresentation {
  let outcome: ConversionOutcome
  let options: ConverterOptions
  /// nil where nothing is quantized.
  let configuration: QuantizationConfiguration?
  let warningCount: Int

  /// What the result lacks; nil where it is as good as was asked for.
  var shortfall: Diagnostic? {
    guard let least = options.minCosine, let quality = outcome.quality else { return nil }
    guard let worst = quality.outputs.min(by: { $0.cosine < $1.cosine }) else {
      return Diagnostic(
        .belowMinCosine,
        "--minCosine asks for \(least), and the model has no float32 result to compare",
        help: "the files are kept; leave --minCosine out for this model")
    }
    guard worst.cosine < least else { return nil }
    return Diagnostic(
      .belowMinCosine,
      "the cosine of '\(worst.name)' between the float and the written model is "
        + "\(NumberText.fixed(worst.cosine, 6)), and --minCosine asks for \(least)",
      help: "the files are kept; skip_quant_node= can keep the operators that lose most in float")
  }

  private var status: ExitStatus { shortfall == nil ? .success : .belowThreshold }
  private var lastLine: String {
    "CONVERT RESULT \(resultWord):\(status.rawValue)"
  }
  private var resultWord: String { shortfall == nil ? "SUCCESS" : "BELOW_MIN_COSINE" }

  private var quantized: [ConstantFacts] { outcome.constants.filter { $0.recipe != nil } }
  private var kept: [ConstantFacts] {
    outcome.constants.filter { $0.recipe == nil && !$0.isKeptQuantized }
  }

  /// The summary, its last line always the same.
  var lines: [String] {
    guard !options.quiet else { return [lastLine] }
    var lines = [modelLine, configurationLine] + broughtLines + sampleLines
    if options.dryRun { lines += effective + [""] + plan }
    if configuration != nil { lines += [""] + classTable.lines }
    lines.append("")
    if options.verbose, !options.dryRun, configuration != nil { lines += tensorTable.lines + [""] }
    lines += options.dryRun ? forecast : closing
    return lines + [lastLine]
  }

  private var modelLine: String {
    let model = outcome.model
    return "model      \(model.path)   \(NumberText.bytes(model.byteCount))   "
      + "\(NumberText.count(model.weightCount)) weights   \(model.nodeCount) nodes   "
      + "input \(model.inputs.prefix(4).joined(separator: ", "))"
      + (model.inputs.count > 4 ? ", \(model.inputs.count - 4) more" : "")
  }

  private var configurationLine: String {
    guard let configuration else { return "config     no quantization" }
    if outcome.full != nil { return fullLine(configuration) }
    if configuration.quantType == .fullQuant { return "config     FULL_QUANT   nothing calibrated" }
    if let dynamic = outcome.dynamic { return dynamicLine(dynamic, configuration) }
    let weight = configuration.weight
    if let mixed = outcome.mixed { return mixedLine(mixed, configuration) }
    return [
      "config     WEIGHT_QUANT \(configuration.bitNum) bit",
      weight.perChannel ? "per channel" : "per tensor",
      "range \(weight.weightRangeMethod.rawValue)",
      "round \(weight.weightRoundMethod.rawValue)",
      weight.biasCorrection ? "bias correction" : "no bias correction",
      "skip \(configuration.skipQuantNode.count)",
    ].joined(separator: "   ")
  }

  /// What the model brought along quantized.
  private var broughtLines: [String] {
    guard let brought = outcome.brought else { return [] }
    let read = brought.read
    var parts = ["\(read.constants) constants", "\(read.activations) activations"]
    if read.propagated > 0 { parts.append("\(read.propagated) where those are moved") }
    if read.dynamic > 0 { parts.append("\(read.dynamic) dynamic products") }
    if read.writtenOut > 0 { parts.append("\(read.writtenOut) written-out fake quantizations") }
    if read.expanded > 0 { parts.append("\(read.expanded) operators on integers") }
    return [
      "brought    quantized already, \(brought.isKept ? "kept" : "dropped"): "
        + parts.joined(separator: ", ")
    ]
  }

  private var effective: [String] {
    ["", "effective configuration"]
      + (options.effectiveLines + (configuration?.effectiveLines ?? [])).map { "  " + $0 }
  }

  /// Every tensor in a dry run: how it would be quantized, or why not.
  private var plan: [String] {
    if outcome.mixed != nil { return mixedPlan }
    var table = TextTable(["node", "operator", "tensor", "weight", "why not"])
    for constant in outcome.constants {
      table.append([
        constant.node, constant.operatorType, constant.tensor,
        constant.recipe.map(describe) ?? (constant.isKeptQuantized ? "as it came" : "float"),
        constant.floatReason?.text ?? "",
      ])
    }
    return ["plan"] + table.lines.map { "  " + $0 }
  }

  func describe(_ recipe: WeightRecipe) -> String {
    if let bits = recipe.packedBits { return describeSteps(recipe, bits) }
    let bits = recipe.storage.bits
    let stored = recipe.storage.elementType.name
    let width = bits == 4 || bits == 8 || bits == 16 ? stored : "\(bits) bit in \(stored)"
    var scales = recipe.storage.axis.map { "per channel, axis \($0)" } ?? "per tensor"
    if let block = recipe.storage.block {
      scales = "per \(block.size), axis \(block.axis)"
    }
    return "\(width) \(scales)"
  }

  /// A line per class of tensors.
  private var classTable: TextTable {
    var table = TextTable(
      ["", "tensors", "bits", "before", "after"], rightAligned: [1, 2, 3, 4])
    func append(_ name: String, _ constants: [ConstantFacts], bits: String) {
      table.append([
        name, String(constants.count), bits,
        NumberText.bytes(constants.reduce(0) { $0 + $1.floatByteCount }),
        NumberText.bytes(constants.reduce(0) { $0 + $1.storedByteCount }),
      ])
    }
    var operators: [String] = []
    for constant in quantized where !operators.contains(constant.operatorType) {
      operators.append(constant.operatorType)
    }
    for type in operators {
      append(
        "\(type) weights", quantized.filter { $0.operatorType == type },
        bits: outcome.mixed == nil
          ? String(configuration?.bitNum ?? 32)
          : bits(of: quantized.filter { $0.operatorType == type }))
    }
    if let full = outcome.full {
      table.append(["activations", String(full.activationCount), "8", "-", "-"])
    }
    let already = outcome.constants.filter(\.isKeptQuantized)
    if !already.isEmpty { append("quantized already", already, bits: "8") }
    append("stay float", kept, bits: "-")
    return table
  }

  private var tensorTable: TextTable {
    var table = TextTable(
      ["node", "tensor", "stored", "before", "after", "SQNR"], rightAligned: [3, 4, 5])
    for constant in outcome.constants {
      table.append([
        constant.node, constant.tensor,
        constant.recipe.map(describe)
          ?? (constant.isKeptQuantized ? "" : "float: ") + (constant.floatReason?.text ?? ""),
        NumberText.bytes(constant.floatByteCount), NumberText.bytes(constant.storedByteCount),
        constant.signalToNoise.map(decibels) ?? "",
      ])
    }
    return table
  }

  private func milliseconds(_ seconds: Double) -> String {
    NumberText.fixed(seconds * 1e3, 2) + " ms"
  }

  func decibels(_ value: Double) -> String {
    if value == -.infinity { return "none" }
    return value.isFinite ? NumberText.fixed(value, 1) + " dB" : "exact"
  }

  private var forecast: [String] {
    mixedLines + [
      "needs        peak about \(NumberText.bytes(outcome.predictedPeakByteCount))",
      "would write  \(options.outputFile), \(NumberText.bytes(outcome.outputByteCount))"
        + operatorSetRemark,
    ]
  }

  private var operatorSetRemark: String {
    outcome.operatorSets.after == outcome.operatorSets.before
      ? ""
      : "   operator set \(outcome.operatorSets.before) -> \(outcome.operatorSets.after)"
  }

  private var closing: [String] {
    var lines = qualityLines + mixedLines + dynamicLines
    let reasons = Dictionary(grouping: kept) { $0.floatReason.map(Self.kind) ?? "" }
    for (reason, constants) in reasons.sorted(by: { $0.key < $1.key }) {
      lines.append(
        "float      \(constants.count) x \(reason), such as \(constants[0].tensor)")
    }
    let worst = worstNodes
    if let first = worst.first {
      lines += Self.wrapped(
        "worst      ", worst.map { "\($0.node) \(decibels($0.signalToNoise))" })
      lines.append("           to leave the first float:  skip_quant_node=\(first.node)")
    }
    let percent = Double(outcome.outputByteCount) / Double(max(1, outcome.model.byteCount)) * 100
    lines.append(
      "wrote      \(options.outputFile)   \(NumberText.bytes(outcome.outputByteCount)) "
        + "(\(NumberText.fixed(percent, 0)) %)   \(NumberText.fixed(outcome.seconds, 2)) s   "
        + "peak \(NumberText.bytes(ProcessUsage.peakResidentByteCount))" + operatorSetRemark)
    lines += reportLines
    if let trial = outcome.trial {
      lines += Self.wrapped(
        "ran        ",
        [
          "once on random input in \(milliseconds(trial.runSeconds)),",
          "prepared in \(milliseconds(trial.preparationSeconds)):",
        ]
          + trial.outputs.map { "\($0.name) \($0.type)" })
    }
    if warningCount > 0 { lines.append("warnings   \(warningCount)") }
    return lines
  }

  /// Items behind a heading, in as many lines of 100 columns as they need.
  private static func wrapped(_ heading: String, _ items: [String]) -> [String] {
    var lines = [heading]
    for (index, item) in items.enumerated() {
      if index > 0, lines[lines.count - 1].count + 2 + item.count > 100 {
        lines.append(String(repeating: " ", count: heading.count) + item)
      } else {
        lines[lines.count - 1] += (index > 0 ? "  " : "") + item
      }
    }
    return lines
  }

  /// The reason without its figures.
  private static func kind(_ reason: FloatReason) -> String {
    switch reason {
    case .notAboveMinSize(_, let limit): "at most min_quant_weight_size=\(limit) elements"
    case .notAboveMinChannel(_, let limit): "at most min_quant_weight_channel=\(limit) channels"
    case .tooFewPerChannel(_, let limit):
      "at most \(limit) elements a channel (with bias_correction)"
    default: reason.text
    }
  }

  /// The five nodes that lose most: by their results where a report compared those, else by the
  /// worst of their weights.
  private var worstNodes: [(node: String, signalToNoise: Double)] {
    let weights = quantized.compactMap { constant in
      constant.signalToNoise.map { (node: constant.node, signalToNoise: $0) }
    }
    let results = outcome.report?.losses ?? []
    let sorted = (results.isEmpty ? weights : results).filter(\.signalToNoise.isFinite).sorted {
      ($0.signalToNoise, $0.node) < ($1.signalToNoise, $1.node)
    }
    var nodes: Set<String> = []
    return Array(sorted.filter { nodes.insert($0.node).inserted }.prefix(5))
  }

  /// The files beside the model, those of rounds in one line, and what they were made from.
  private var reportLines: [String] {
    let files = outcome.files.dropFirst()
    let rounds = files.filter { $0.split(separator: "/").last?.hasPrefix("round_") ?? false }
    var lines: [String] = []
    for file in files where !rounds.contains(file) || file == rounds.first {
      let isRange = rounds.count > 1 && file == rounds.first
      let last = rounds.last?.split(separator: "/").last ?? ""
      lines.append("           " + file + (isRange ? " to \(last)" : ""))
    }
    if let report = outcome.report {
      let count = report.input == .samples ? "\(report.roundCount) " : ""
      lines.append("           the reports compare both models on \(count)\(report.input.rawValue)")
    }
    return lines
  }

  /// The same facts under stable names.
  var json: JSONValue {
    var members: [(String, JSONValue)] = [
      ("result", .string(resultWord)), ("exitCode", .integer(Int(status.rawValue))),
      ("dryRun", .bool(options.dryRun)), ("model", .string(outcome.model.path)),
      ("modelBytes", .integer(outcome.model.byteCount)),
      ("outputBytes", .integer(outcome.outputByteCount)),
      ("files", .array(outcome.files.map { .string($0) })),
      ("operatorSet", .integer(outcome.operatorSets.after)),
      ("operatorSetBefore", .integer(outcome.operatorSets.before)),
      ("predictedPeakBytes", .integer(outcome.predictedPeakByteCount)),
      ("peakBytes", .integer(ProcessUsage.peakResidentByteCount)),
      ("seconds", .number(outcome.seconds)), ("warnings", .integer(warningCount)),
      ("quantType", configuration.map { .string($0.quantType.rawValue) } ?? .null),
      ("bitNum", configuration.map { .integer($0.bitNum) } ?? .null),
      ("tensors", .array(outcome.constants.map(json))),
    ]
    members += fullMembers + dynamicMembers
    if let brought = outcome.brought { members.append(("alreadyQuantized", json(brought))) }
    if let mixed = outcome.mixed { members.append(("mixedBit", json(mixed))) }
    if let quality = outcome.quality { members.append(("quality", json(quality))) }
    if let report = outcome.report { members.append(("report", json(report))) }
    if let trial = outcome.trial { members.append(("trialRun", json(trial))) }
    return .object(members)
  }

  private func json(_ brought: QuantizedInputFacts) -> JSONValue {
    .object([
      ("constants", .integer(brought.read.constants)),
      ("activations", .integer(brought.read.activations)),
      ("moved", .integer(brought.read.propagated)),
      ("operators", .integer(brought.read.expanded)),
      ("dynamicProducts", .integer(brought.read.dynamic)), ("kept", .bool(brought.isKept)),
    ])
  }

  private func json(_ report: ReportFacts) -> JSONValue {
    .object([
      ("rounds", .integer(report.roundCount)), ("input", .string(report.input.rawValue)),
      (
        "results",
        .array(
          report.losses.map { loss in
            .object([
              ("node", .string(loss.node)),
              ("sqnr", loss.signalToNoise.isFinite ? .number(loss.signalToNoise) : .null),
            ])
          })
      ),
    ])
  }

  private func json(_ trial: TrialFacts) -> JSONValue {
    .object([
      ("preparationSeconds", .number(trial.preparationSeconds)),
      ("seconds", .number(trial.runSeconds)), ("inputs", .array(trial.inputs.map(\.json))),
      ("outputs", .array(trial.outputs.map(\.json))),
    ])
  }

  private func json(_ constant: ConstantFacts) -> JSONValue {
    var members: [(String, JSONValue)] = [
      ("node", .string(constant.node)), ("operator", .string(constant.operatorType)),
      ("tensor", .string(constant.tensor)),
      ("dims", .array(constant.dimensions.map { .integer($0) })),
      ("bytesBefore", .integer(constant.floatByteCount)),
      ("bytesAfter", .integer(constant.storedByteCount)),
    ]
    if let recipe = constant.recipe {
      members += [
        ("bits", .integer(recipe.storage.bits)),
        ("storedAs", .string(recipe.storage.elementType.name)),
        ("axis", recipe.storage.axis.map { .integer($0) } ?? .null),
        ("range", .string(recipe.range.rawValue)), ("round", .string(recipe.roundName)),
      ]
      if outcome.mixed != nil { members.append(("effectiveBits", .number(recipe.effectiveBits))) }
      if let compression = constant.compression {
        members.append(("compression", .string("\(compression)")))
      }
      if let block = recipe.storage.block { members.append(("groupSize", .integer(block.size))) }
      if let ratio = constant.signalToNoise { members.append(("sqnr", .number(ratio))) }
    }
    if let reason = constant.floatReason { members.append(("staysFloat", .string(reason.text))) }
    return .object(members)
  }
}
