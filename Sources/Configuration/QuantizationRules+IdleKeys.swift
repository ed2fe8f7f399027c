import Support

extension QuantizationRules {
  /// Warns about what the file gives but the conversion doesn't use: a section as a whole, or keys
  /// one by one.
  mutating func checkIdleKeys() {
    checkDependentKeys()
    for entry in parsed.stated {
      if isQuantizationKey(entry), hasEffect(entry), let reason = entry.setting.idleReason {
        warn(entry, reason)
      }
    }
    guard let scope = parsed.scope else { return }
    let sections = KeyTable.quantizationSections
    let idleSections = Set(sections.filter { $0.scope.isDisjoint(with: scope) }.map(\.name))
    var seen: Set<String> = []
    for header in parsed.headers
    where idleSections.contains(header.name) && seen.insert(header.name).inserted {
      problems.append(
        Diagnostic(
          .keyWithoutEffect, "[\(header.name)] has no effect with \(chosen)", severity: .warning,
          location: parsed.location(header)))
    }
    for entry in parsed.stated
    where isQuantizationKey(entry) && !hasEffect(entry)
      && !idleSections.contains(entry.assignment.section)
    {
      warn(entry, "with \(chosen)")
    }
  }

  /// The conversion in the file's words.
  private var chosen: String {
    guard let quantType else { return "this quantization" }
    if quantType == .weightQuant, let bits = integer(KeyTable.common, "bit_num") {
      return "quant_type=WEIGHT_QUANT and bit_num=\(bits)"
    }
    return "quant_type=\(quantType.rawValue)"
  }

  private mutating func warn(_ entry: ParsedConfiguration.Stated, _ reason: String) {
    let separator = reason.hasPrefix("with") ? " " : ": "
    problems.append(
      Diagnostic(
        .keyWithoutEffect, "\(entry.setting.name) has no effect\(separator)\(reason)",
        severity: .warning, location: parsed.keyLocation(entry.assignment)))
  }

  /// Keys that count only beside a certain value of another key.
  private mutating func checkDependentKeys() {
    let mixed = "mixed_bit_weight_quant_param"
    if value(mixed, "auto_tune") == .boolean(false) {
      warn(mixed, ["use_cv_data", "max_iterations"], "without auto_tune=true")
    }
    let weight = "weight_quant_param"
    if parsed.find(weight, "dequant_strategy") == nil {
      warn(weight, ["max_segments"], "without dequant_strategy=ON_THE_FLY")
    }
    if value(weight, "quant_strategy") == .word("GPTQ"),
      case .integer(let bits) = value(KeyTable.common, "bit_num"), bits > 8
    {
      warn(weight, ["quant_strategy"], "with bit_num above 8")
    }
    let full = "full_quant_param"
    guard case .word(let device) = value(full, "target_device") else { return }
    if device != "ASCEND" {
      warn(full, ["smooth_alpha"], "without target_device=ASCEND")
      if quantType == .fullQuant {
        warn(KeyTable.common, ["min_quant_weight_channel"], "without target_device=ASCEND")
      }
    }
    if device == "KIRIN" || device == "NVGPU",
      parsed.value(section: full, key: "bias_correction") == .boolean(true)
    {
      warn(full, ["bias_correction"], "with target_device=\(device)")
    }
  }

  private mutating func warn(_ section: String, _ keys: [String], _ reason: String) {
    for key in keys {
      if let entry = parsed.find(section, key), hasEffect(entry) { warn(entry, reason) }
    }
  }
}
