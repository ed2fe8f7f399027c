import Support

extension QuantizationRules {
  private static let section = "data_preprocess_param"

  /// What calibration samples need, if the conversion looks at samples.
  mutating func checkSamples() {
    guard let scope = parsed.scope,
      !scope.isDisjoint(with: [.full, .sampledWeight, .dynamic])
    else { return }
    let needsSamples = scope.contains(.full) || usesGPTQ
    if needsSamples || mentions(Self.section, "calibrate_path") {
      requireAll(["calibrate_path", "calibrate_size", "input_type"])
    }
    checkTogether(["normalize_mean", "normalize_std"])
    checkTogether(["resize_width", "resize_height", "resize_method"])
    checkTogether(["center_crop_width", "center_crop_height"])
    checkNormalization()
    checkDirectories()
    checkImageKeys()
  }

  private var usesGPTQ: Bool {
    value("weight_quant_param", "quant_strategy") == .word("GPTQ")
  }

  private mutating func requireAll(_ keys: [String]) {
    let missing = keys.filter { !mentions(Self.section, $0) }
    if missing.isEmpty { return }
    let header = parsed.headers.first { $0.name == Self.section }
    problems.append(
      Diagnostic(
        .missingKey,
        "quantization from samples needs \(ByteText.enumeration(missing))",
        location: header.map { parsed.location($0) } ?? .init(file: parsed.fileName),
        help: "gsconvert config --explain \(Self.section)"))
  }

  private mutating func checkTogether(_ keys: [String]) {
    let given = keys.filter { mentions(Self.section, $0) }
    guard let first = given.first, given.count < keys.count else { return }
    let missing = ByteText.enumeration(keys.filter { !given.contains($0) })
    report(
      .keyConflict, "\(first) needs \(missing) as well", Self.section, first,
      label: "only with " + missing)
  }

  private mutating func checkNormalization() {
    let mean = vector("normalize_mean")
    let std = vector("normalize_std")
    for (key, numbers) in [("normalize_mean", mean), ("normalize_std", std)] {
      if let numbers, numbers.count != 1, numbers.count != 3 {
        report(
          .badValue, "\(key) must have 1 or 3 numbers, not \(numbers.count)", Self.section, key)
      }
    }
    if let mean, let std, mean.count != std.count {
      report(
        .keyConflict, "normalize_std must have as many numbers as normalize_mean", Self.section,
        "normalize_std", label: "\(std.count) here, \(mean.count) there")
    }
    if std?.contains(where: { $0 <= 0 }) == true {
      report(.valueOutOfRange, "normalize_std must be positive", Self.section, "normalize_std")
    }
  }

  private func vector(_ key: String) -> [Double]? {
    if case .vector(let numbers) = value(Self.section, key) { numbers } else { nil }
  }

  private mutating func checkDirectories() {
    guard let stated = parsed.find(Self.section, "calibrate_path"),
      case .directories(let pairs) = stated.value
    else { return }
    let wanted = integer(Self.section, "calibrate_size")
    for pair in pairs {
      let location = parsed.valueLocation(stated.assignment, part: pair.range)
      func problem(_ code: DiagnosticCode, _ message: String) {
        problems.append(Diagnostic(code, message, location: location))
      }
      switch PathKind(of: pair.path) {
      case .missing:
        problem(.pathMissing, "the directory '\(pair.path)' does not exist")
      case .other:
        problem(.pathMissing, "'\(pair.path)' is not a directory")
      case .directory:
        guard let count = PathKind.entryCount(ofDirectory: pair.path, upTo: wanted ?? 1) else {
          problem(.pathMissing, "the directory '\(pair.path)' cannot be read")
          continue
        }
        if let wanted, count < wanted {
          problem(
            .keyConflict,
            "'\(pair.path)' holds \(count) files, but calibrate_size is \(wanted)")
        }
      }
    }
  }

  private mutating func checkImageKeys() {
    guard value(Self.section, "input_type") == .word("BIN") else { return }
    let imageKeys = [
      "image_to_format", "normalize_mean", "normalize_std", "resize_width", "resize_height",
      "resize_method", "center_crop_width", "center_crop_height",
    ]
    for key in imageKeys where parsed.find(Self.section, key) != nil {
      report(
        .keyWithoutEffect, "\(key) has no effect with input_type=BIN", Self.section, key,
        severity: .warning)
    }
  }
}
