import Support

/// What keys ask of each other, and what this version can do.
struct QuantizationRules {
  let parsed: ParsedConfiguration
  var problems: [Diagnostic] = []

  /// Every problem of `parsed` beyond its syntax, names and single values.
  static func problems(of parsed: ParsedConfiguration) -> [Diagnostic] {
    var rules = QuantizationRules(parsed: parsed)
    rules.checkQuantType()
    rules.checkBits()
    rules.checkTargets()
    rules.checkPaths()
    rules.checkSamples()
    rules.checkNeighbours()
    rules.checkIdleKeys()
    rules.checkCapabilities()
    return rules.problems
  }

  private mutating func checkQuantType() {
    let usesGoldenStick = parsed.headers.first { header in
      KeyTable.goldenStickSections.contains { $0.name == header.name }
    }
    if let header = usesGoldenStick, given("quant_type") != nil, header.name == "ptq_param" {
      problems.append(
        Diagnostic(
          .keyConflict, "[ptq_param] and quant_type exclude each other",
          location: parsed.location(header), help: "keep one of them"))
    }
    guard usesGoldenStick == nil, !mentionsQuantType else { return }
    let header = parsed.headers.first { $0.name == KeyTable.common }
    problems.append(
      Diagnostic(
        .missingKey, "quant_type is missing: the file asks for no quantization",
        location: header.map { parsed.location($0, label: "quant_type belongs here") }
          ?? .init(file: parsed.fileName),
        help: "add quant_type=WEIGHT_QUANT to [\(KeyTable.common)]"))
  }

  /// Whether quant_type is set, or an error reported already is about a line that meant to set it.
  private var mentionsQuantType: Bool {
    let isInUnknownSection = parsed.assignments.contains { assignment in
      KeyTable.section(assignment.section) == nil
        && Spelling.nearest(to: assignment.key, among: ["quant_type"]) != nil
    }
    return given("quant_type") != nil || isInUnknownSection
      || parsed.problems.contains { problem in
        let words = [problem.location?.lineText, problem.location?.label].compactMap { $0 }
        return problem.severity == .error
          && words.contains { ByteText.asciiLowercased($0).contains("quant_type") }
      }
  }

  private mutating func checkBits() {
    guard let bits = integer(KeyTable.common, "bit_num") else { return }
    if let quantType, quantType != .weightQuant, bits != 8 {
      report(
        .keyConflict, "bit_num must be 8 with quant_type=\(quantType.rawValue)",
        KeyTable.common, "bit_num",
        label: "use 8, or quant_type=WEIGHT_QUANT for \(bits) bits")
    }
    guard quantType == .weightQuant else { return }
    if bits != 8, bits != 16, value(KeyTable.common, "enable_encode") == .boolean(false) {
      report(
        .keyConflict, "enable_encode=false needs bit_num 8 or 16, not \(bits)", KeyTable.common,
        "enable_encode", label: "bit_num=\(bits) is always packed")
    }
    if value("weight_quant_param", "runtime_operators") == .boolean(true) {
      if parsed.value(section: "weight_quant_param", key: "group_size") == nil {
        report(
          .keyConflict, "runtime_operators=true needs group_size", "weight_quant_param",
          "runtime_operators", label: "MatMulNBits has a scale for each block; add group_size=32")
      } else if bits > 8 {
        report(
          .keyConflict, "runtime_operators=true needs bit_num up to 8, not \(bits)",
          KeyTable.common, "bit_num", label: "MatMulNBits has integers of 4 or 8 bits")
      }
    }
    if bits == 0, parsed.value(section: "weight_quant_param", key: "dequant_strategy") != nil {
      report(
        .keyConflict, "dequant_strategy=ON_THE_FLY needs a fixed bit_num", "weight_quant_param",
        "dequant_strategy", label: "bit_num=0 chooses the bits of each weight")
    }
  }

  private mutating func checkPaths() {
    guard let path = parsed.value(section: KeyTable.common, key: "debug_info_save_path")?.text,
      PathKind(of: path) == .other
    else { return }
    report(
      .pathMissing, "debug_info_save_path is not a directory", KeyTable.common,
      "debug_info_save_path", label: "exists, but is a file")
  }

  private mutating func checkNeighbours() {
    guard quantType != nil else { return }
    if parsed.find("registry", "plugin_path") != nil {
      report(
        .keyConflict, "plugin_path cannot be combined with quantization", "registry",
        "plugin_path", label: "remove it, or quant_type")
    }
  }

  private mutating func checkCapabilities() {
    var seen: Set<String> = []
    for header in parsed.headers where seen.insert(header.name).inserted {
      guard let needs = KeyTable.section(header.name)?.needs else { continue }
      problems.append(
        Diagnostic(
          .capabilityNotBuilt, "this version cannot do [\(header.name)] yet",
          location: parsed.location(header), notes: ["it needs \(needs)"]))
    }
    for entry in parsed.stated where isQuantizationKey(entry) && hasEffect(entry) {
      guard let refusal = entry.setting.refusal(of: entry.value) else { continue }
      problems.append(
        Diagnostic(
          .capabilityNotBuilt,
          "this version cannot do \(entry.setting.name)=\(entry.value.text) yet",
          location: parsed.valueLocation(entry.assignment),
          notes: ["it needs \(refusal.needs)"], help: refusal.instead.map { "use \($0)" }))
    }
  }
}

extension QuantizationRules {
  /// The given, valid quant_type.
  var quantType: QuantType? { given("quant_type").flatMap { QuantType(rawValue: $0.text) } }

  /// The given value of a common key.
  func given(_ key: String) -> ConfigurationValue? {
    parsed.value(section: KeyTable.common, key: key)
  }

  /// The given or default value; nil if the given one is wrong.
  func value(_ section: String, _ key: String) -> ConfigurationValue? {
    let isWrong =
      parsed.find(section, key) == nil
      && parsed.assignments.contains { $0.section == section && $0.key == key && !$0.value.isEmpty }
    return isWrong ? nil : SectionReader(parsed: parsed, section: section).value(key)
  }

  func integer(_ section: String, _ key: String) -> Int? {
    if case .integer(let number) = value(section, key) { number } else { nil }
  }

  /// Whether the file writes the key, with whatever value.
  func mentions(_ section: String, _ key: String) -> Bool {
    parsed.assignments.contains { $0.section == section && $0.key == key }
  }

  func isQuantizationKey(_ entry: ParsedConfiguration.Stated) -> Bool {
    KeyTable.quantizationSections.contains { $0.name == entry.assignment.section }
  }

  /// Whether the key steers the conversion that the file asks for.
  func hasEffect(_ entry: ParsedConfiguration.Stated) -> Bool {
    parsed.scope.map { !entry.setting.scope.isDisjoint(with: $0) } ?? true
  }

  /// Reports a problem at a value that the file writes, or of the whole file if it doesn't.
  mutating func report(
    _ code: DiagnosticCode, _ message: String, _ section: String, _ key: String,
    severity: Diagnostic.Severity = .error, label: String? = nil
  ) {
    let assignment = parsed.assignments.first { $0.section == section && $0.key == key }
    problems.append(
      Diagnostic(
        code, message, severity: severity,
        location: assignment.map { parsed.valueLocation($0, label: label) }
          ?? .init(file: parsed.fileName),
        help: severity == .error ? "gsconvert config --explain \(section).\(key)" : nil))
  }
}
