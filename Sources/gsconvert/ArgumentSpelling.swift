import Support

/// What converter_lite's command line allows beside the argument parser's, and what it forbids.
enum ArgumentSpelling {
  private static let switches = ["dryRun", "quiet", "verbose"]

  /// `--dryRun` alone means `--dryRun=true`, likewise the other switches.
  static func expanded(_ arguments: [String]) -> [String] {
    zip(arguments, arguments.dropFirst() + [""]).map { argument, next in
      let hasValue = ["true", "false"].contains(next.lowercased())
      let isSwitch = switches.contains { "--" + $0 == argument }
      return isSwitch && !hasValue ? argument + "=true" : argument
    }
  }

  /// Whether messages are to be JSON, as far as the command line alone tells.
  static func asksForJSON(_ arguments: [String]) -> Bool {
    let name = "--logFormat"
    return zip(arguments, arguments.dropFirst() + [""]).contains { argument, next in
      let value = argument == name ? next : argument.dropPrefix(name + "=")
      return value?.lowercased() == "json"
    }
  }

  /// A flag given twice: which one counts would be a guess. Some of `run` make lists.
  static func problems(_ arguments: [String]) -> Failure? {
    var seen: Set<String> = []
    var repeated: [String] = []
    let lists: Set<String> = arguments.first == "run" ? ["--input", "--dump"] : []
    for argument in arguments where argument.hasPrefix("--") && argument.count > 2 {
      let name = String(argument.prefix { $0 != "=" })
      guard !lists.contains(name) else { continue }
      if !seen.insert(name).inserted, !repeated.contains(name) { repeated.append(name) }
    }
    guard !repeated.isEmpty else { return nil }
    return Failure(
      repeated.map { name in
        Diagnostic(.flagConflict, "\(name) is given twice", help: "give each flag once")
      })
  }

  /// The message without the parser's own heading and full stop.
  static func firstSentence(_ message: String) -> String {
    var line = message.split(separator: "\n").first.map(String.init) ?? message
    if line.hasPrefix("Error: ") { line = String(line.dropFirst(7)) }
    if line.hasSuffix(".") { line.removeLast() }
    return line
  }
}

extension String {
  fileprivate func dropPrefix(_ prefix: String) -> String? {
    hasPrefix(prefix) ? String(dropFirst(prefix.count)) : nil
  }
}
