import Support

extension QuantizationRules {
  private static let section = "mixed_bit_weight_quant_param"

  /// Mixed bit aims at one thing.
  mutating func checkTargets() {
    let section = Self.section
    if let text = parsed.value(section: section, key: "target_size")?.text,
      SizeTarget(text) == nil
    {
      report(
        .badValue, "target_size must be a size such as 3500KB, 3.5MB, 3670224 or 0.2",
        section, "target_size", label: "neither bytes nor a share")
    }
    let targets = ["target_size", "target_bits", "target_cosine"].filter { mentions(section, $0) }
    if let second = targets.dropFirst().first {
      report(
        .keyConflict, "\(targets[0]) and \(second) exclude each other", section, second,
        label: "keep one of them")
    }
    guard let target = targets.first else { return }
    if value(section, "auto_tune") == .boolean(true) {
      report(
        .keyConflict, "auto_tune and \(target) exclude each other", section, target,
        label: "keep one of them")
    }
    if mentions(section, "init_scale") {
      report(
        .keyWithoutEffect, "init_scale has no effect with \(target)", section, "init_scale",
        severity: .warning)
    }
  }
}
