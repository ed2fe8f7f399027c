import Support

/// Checks that sections and keys exist, and each key only once.
struct PlaceChecker {
  private(set) var problems: [Diagnostic] = []

  private let text: ConfigurationText

  init(text: ConfigurationText) { self.text = text }

  /// Reports unknown sections and those that don't concern quantization, each name once.
  mutating func check(headers: [SectionHeader]) {
    var seen: Set<String> = []
    for header in headers where seen.insert(header.name).inserted {
      guard let entry = KeyTable.section(header.name) else {
        reportUnknown(header)
        continue
      }
      if entry.isForeign {
        problems.append(
          Diagnostic(
            .keyWithoutEffect, "[\(header.name)] has no effect on quantization",
            severity: .warning, location: location(header.line, header.range)))
      }
    }
  }

  /// Reports unknown and repeated keys. Gives back the known ones, the first of each.
  mutating func check(assignments: [Assignment]) -> [(Assignment, Setting)] {
    var known: [(Assignment, Setting)] = []
    var first: [String: Assignment] = [:]
    for assignment in assignments {
      guard let entry = KeyTable.section(assignment.section) else { continue }
      let name = "\(assignment.section):\(assignment.key)"
      if let earlier = first[name] {
        reportRepeated(assignment, earlier)
        continue
      }
      first[name] = assignment
      if let setting = KeyTable.setting(section: assignment.section, key: assignment.key) {
        known.append((assignment, setting))
      } else if !entry.acceptsOtherKeys {
        reportUnknown(assignment, in: entry)
      }
    }
    return known
  }

  private mutating func reportUnknown(_ header: SectionHeader) {
    let names = KeyTable.sections.map(\.name)
    let lowercased = ByteText.asciiLowercased(header.name)
    let label: String? =
      if let name = names.first(where: { $0 == lowercased }) {
        "is spelt [\(name)]"
      } else {
        Spelling.nearest(to: header.name, among: names).map { "did you mean [\($0)]?" }
      }
    problems.append(
      Diagnostic(
        .unknownSection, "unknown section [\(header.name)]",
        location: location(header.line, header.range, label: label),
        help: "gsconvert config --explain lists all sections"))
  }

  private mutating func reportRepeated(_ assignment: Assignment, _ earlier: Assignment) {
    let line = location(earlier.line, earlier.keyRange).line ?? 0
    problems.append(
      Diagnostic(
        .duplicateKey, "'\(assignment.key)' is given twice in [\(assignment.section)]",
        location: location(
          assignment.line, assignment.keyRange, label: "first given in line \(line)"),
        help: "keep one of them"))
  }

  private mutating func reportUnknown(_ assignment: Assignment, in entry: SectionEntry) {
    problems.append(
      Diagnostic(
        .unknownKey, "unknown key '\(assignment.key)' in [\(assignment.section)]",
        location: location(
          assignment.line, assignment.keyRange, label: suggestion(for: assignment.key, in: entry)),
        help: "gsconvert config --explain \(assignment.section)"))
  }

  private func suggestion(for key: String, in entry: SectionEntry) -> String? {
    let names = entry.keys.map(\.name)
    let lowercased = ByteText.asciiLowercased(key)
    if let name = names.first(where: { ByteText.asciiLowercased($0) == lowercased }) {
      return "is spelt '\(name)'"
    }
    let homes = KeyTable.homes(of: key)
    if !homes.isEmpty {
      return "belongs in " + ByteText.alternatives(homes.map { "[\($0)]" })
    }
    if entry.name == KeyTable.converter, key == FlagTable.configFile {
      return "a file cannot name itself"
    }
    if let name = Spelling.nearest(to: key, among: names) { return "did you mean '\(name)'?" }
    let others = KeyTable.quantizationSections.flatMap { $0.keys.map(\.name) }
    return Spelling.nearest(to: key, among: others).map { name in
      "did you mean '\(name)' of "
        + ByteText.alternatives(KeyTable.homes(of: name).map { "[\($0)]" })
    }
  }

  private func location(
    _ line: Int, _ range: Range<Int>, label: String? = nil
  ) -> Diagnostic.Location {
    text.location(text.logicalLines[line], range, label: label)
  }
}
