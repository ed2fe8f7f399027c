import Support

/// What a conversion for Ascend devices asks of flags and configuration, and what it can't have.
struct AscendRules {
  let file: ParsedConfiguration
  let flags: FlagValues

  private static let section = "ascend_context"
  private static let heeded = ["provider", "input_shape", "dynamic_dims"]
  /// Keys whose results only a device's compiler makes.
  private static let compiled = ["om_file_path", "aoe_mode", "plugin_custom_ops"]
  /// The chips whose weights are dequantized by an operator of the device's libraries.
  private static let antiQuantChips = ["910b"]

  /// Whether the flags are for Ascend devices; `device` wins over `optimize`.
  static func isForAscend(_ flags: FlagValues) -> Bool {
    if let device = flags.given["device"] { return device.value.text.hasPrefix("Ascend") }
    return flags.text("optimize")?.hasPrefix("ascend_oriented") == true
  }

  /// Everything wrong or noteworthy.
  var problems: [Diagnostic] {
    let hasSection = file.headers.contains { $0.name == AscendRules.section }
    guard AscendRules.isForAscend(flags) else {
      return fullWithoutAscend + (hasSection ? [idleSection] : [])
    }
    var found = onTheFly + shapes + idleKeys
    if !quantizesFull, !dequantizesOnTheFly { found.append(idleFlag) }
    return found
  }

  private var quantizesFull: Bool {
    file.scope == .full
      && file.value(section: "full_quant_param", key: "target_device") == .word("ASCEND")
  }

  private var dequantizesOnTheFly: Bool {
    file.scope?.contains(.fixedBit) == true
      && file.value(section: "weight_quant_param", key: "dequant_strategy") != nil
  }

  // MARK: Rules

  /// A full quantization for Ascend does nothing unless the conversion is for Ascend too.
  private var fullWithoutAscend: [Diagnostic] {
    guard quantizesFull else { return [] }
    var location = file.location(section: "full_quant_param", key: "target_device")
    location?.label = "needs --optimize=ascend_oriented"
    return [
      Diagnostic(
        .keyConflict, "target_device=ASCEND without a conversion for Ascend", location: location)
    ]
  }

  private var onTheFly: [Diagnostic] {
    guard dequantizesOnTheFly else { return [] }
    var found: [Diagnostic] = []
    let chip = flags.text("optimize")?.split(separator: ":").dropFirst().first.map(String.init)
    if flags.given["device"] == nil, let chip, AscendRules.antiQuantChips.contains(chip) {
      found.append(
        Diagnostic(
          .capabilityNotBuilt, "this version cannot do ON_THE_FLY for the chip \(chip)",
          location: flags.given["optimize"]?.location,
          notes: ["it needs AscendAntiQuant, an operator of the device's libraries"],
          help: "use --optimize=ascend_oriented"))
    }
    if case .integer(let bits) = file.value(section: KeyTable.common, key: "bit_num"), bits < 8 {
      var location = file.location(section: KeyTable.common, key: "bit_num")
      location?.label = "8 to 16 for Ascend"
      found.append(
        Diagnostic(
          .keyConflict, "ON_THE_FLY for Ascend cannot have \(bits) bits", location: location,
          notes: ["such weights are packed, and the device doesn't unpack them"]))
    }
    return found
  }

  private var shapes: [Diagnostic] {
    let given = file.value(section: AscendRules.section, key: "input_shape")?.text
    let shapes = given.flatMap { ShapeText.shapes($0, .bracketed) } ?? [:]
    let isOpen = shapes.values.contains { $0.contains(-1) }
    var found: [Diagnostic] = []
    if given != nil, shapes.isEmpty {
      found.append(problem(.badValue, "input_shape names an input twice", "input_shape"))
    }
    if isOpen, quantizesFull, flags.given["inputShape"] == nil {
      found.append(
        problem(
          .missingKey, "calibration with open extents needs --inputShape", "input_shape",
          label: "-1 is no extent of a sample"))
    }
    return found + dynamicDims(shapes, isOpen: isOpen)
  }

  private func dynamicDims(_ shapes: [String: [Int]], isOpen: Bool) -> [Diagnostic] {
    let key = "dynamic_dims"
    guard let text = file.value(section: AscendRules.section, key: key)?.text else { return [] }
    guard let dims = DynamicDims(text) else {
      return [
        problem(.badValue, "dynamic_dims must be brackets of extents, such as [1~4],[8]", key)
      ]
    }
    let open = shapes.values.filter { $0.contains(-1) }
    let problem: String? =
      if !isOpen {
        "dynamic_dims needs an input_shape with -1"
      } else if dims.inputs.count != open.count {
        "dynamic_dims is for \(dims.inputs.count) inputs, and \(open.count) have open extents"
      } else if Set(dims.inputs).count > 1 {
        "all inputs must have the same dynamic_dims"
      } else if let shape = open.first(where: { !AscendRules.isDynamic($0) }) {
        "only the first extent, or height and width of four, may be open, not \(shape)"
      } else if open.contains(where: { shape in
        let count = shape.count { $0 == -1 }
        return dims.inputs.joined().contains { $0.count != count }
      }) {
        "each bracket of dynamic_dims must have an extent for each -1"
      } else {
        nil
      }
    return problem.map { [self.problem(.keyConflict, $0, key)] } ?? []
  }

  /// Whether an Ascend device can leave these extents open: the batch, or height and width.
  private static func isDynamic(_ shape: [Int]) -> Bool {
    let open = shape.indices.filter { shape[$0] == -1 }
    return open == [0] || shape.count == 4 && (open == [1, 2] || open == [2, 3])
  }

  // MARK: Without effect

  private var idleSection: Diagnostic {
    let header = file.headers.first { $0.name == AscendRules.section }
    return Diagnostic(
      .keyWithoutEffect,
      "[\(AscendRules.section)] has no effect without --optimize=ascend_oriented",
      severity: .warning, location: header.map { file.location($0) })
  }

  private var idleFlag: Diagnostic {
    let given = flags.given["device"] ?? flags.given["optimize"]
    return Diagnostic(
      .flagWithoutEffect,
      "\(given?.spelling ?? "--optimize") has no effect: only target_device=ASCEND and "
        + "dequant_strategy=ON_THE_FLY differ for Ascend",
      severity: .warning, location: given?.location)
  }

  private var idleKeys: [Diagnostic] {
    file.assignments.filter { $0.section == AscendRules.section }.compactMap { assignment in
      let name = assignment.key
      if AscendRules.heeded.contains(name) { return nil }
      if AscendRules.compiled.contains(name) {
        return Diagnostic(
          .capabilityNotBuilt, "this version cannot do \(name)",
          location: file.keyLocation(assignment), notes: ["it needs the device's compiler"])
      }
      return Diagnostic(
        .keyWithoutEffect, "\(name) has no effect: the device's compiler isn't run",
        severity: .warning, location: file.keyLocation(assignment))
    }
  }

  private func problem(
    _ code: DiagnosticCode, _ message: String, _ key: String, label: String? = nil
  ) -> Diagnostic {
    var location = file.location(section: AscendRules.section, key: key)
    location?.label = label
    return Diagnostic(
      code, message, location: location,
      help: "gsconvert config --explain \(AscendRules.section).\(key)")
  }
}
