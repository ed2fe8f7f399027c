import Support

/// The valid flags of one run, each with where it came from.
struct FlagValues {
  /// Who set a flag.
  enum Origin {
    case commandLine
    case file(Diagnostic.Location)
  }

  /// A flag that somebody set.
  struct Given {
    var setting: Setting
    var value: ConfigurationValue
    var origin: Origin

    /// Where the flag stands, if in a file.
    var location: Diagnostic.Location? {
      if case .file(let location) = origin { location } else { nil }
    }

    /// The flag as the user wrote it; a secret without its value.
    var spelling: String {
      let dashes = location == nil ? "--" : ""
      return setting.isSecret
        ? "\(dashes)\(setting.name)" : "\(dashes)\(setting.name)=\(value.text)"
    }
  }

  var given: [String: Given] = [:]

  /// The given or default value.
  func value(_ name: String) -> ConfigurationValue? {
    if let given = given[name] { return given.value }
    guard let flag = FlagTable.flag(name), let text = flag.defaultText else { return nil }
    return try? ValueParser.parse(text, as: flag.type)
  }

  func text(_ name: String) -> String? { value(name)?.text }

  func boolean(_ name: String) -> Bool { value(name) == .boolean(true) }

  func word<Words: RawRepresentable<String>>(_ name: String) -> Words? {
    text(name).flatMap(Words.init)
  }

  /// The flags as `name=value`, in the table's order.
  var effectiveLines: [String] {
    let settings = FlagTable.flags.compactMap { flag -> String? in
      guard !flag.isSecret, let value = value(flag.name) else { return nil }
      let mark =
        switch given[flag.name]?.origin {
        case .commandLine: " (command line)"
        case .file: ""
        case nil: " (default)"
        }
      return "\(flag.name)=\(value.text)\(mark)"
    }
    return EffectiveLines.wrap("[\(KeyTable.converter)]", settings)
  }
}
