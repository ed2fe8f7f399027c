/// Prints settings as `key=value` in lines that fit a terminal.
enum EffectiveLines {
  private static let width = 100

  /// A heading and its settings, two blanks apart, broken before the width; continuation lines
  /// are indented.
  static func wrap(_ heading: String, _ settings: [String]) -> [String] {
    var lines: [String] = []
    var line = heading
    for setting in settings {
      if line.count + 2 + setting.count > width, line != heading, !line.isEmpty {
        lines.append(line)
        line = " "
      }
      line += "  " + setting
    }
    return lines + [line]
  }
}

extension QuantizationConfiguration {
  /// The keys in effect, section by section, as lines of at most about 100 characters. Defaults
  /// are marked; keys without effect on this quantization or without a value are left out.
  public var effectiveLines: [String] {
    let scope = parsed.scope ?? .any
    return KeyTable.quantizationSections.flatMap { entry -> [String] in
      let section = SectionReader(parsed: parsed, section: entry.name)
      let settings = entry.keys.compactMap { setting -> String? in
        guard !setting.scope.isDisjoint(with: scope), setting.idleReason == nil,
          let value = section.value(setting.name)
        else { return nil }
        let isGiven = isExplicit(section: entry.name, key: setting.name)
        return "\(setting.name)=\(value.text)" + (isGiven ? "" : " (default)")
      }
      return settings.isEmpty ? [] : EffectiveLines.wrap("[\(entry.name)]", settings)
    }
  }
}
