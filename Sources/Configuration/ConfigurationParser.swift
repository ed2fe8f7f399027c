import Support

/// Reads configuration files: syntax, names and the type of every value.
public enum ConfigurationParser {
  /// Reads the file at `path`.
  ///
  /// - Throws: `configUnreadable` if it can't be read, else as `parse(bytes:fileName:)`.
  public static func load(path: String) throws(Failure) -> ParsedConfiguration {
    try parse(bytes: FileBytes.read(path: path), fileName: path)
  }

  /// Reads a file's bytes.
  ///
  /// - Throws: every problem of syntax, names and values at once, warnings included.
  public static func parse(
    bytes: [UInt8], fileName: String
  ) throws(Failure) -> ParsedConfiguration {
    let parsed = try read(bytes: bytes, fileName: fileName)
    if ProblemList.hasError(parsed.problems) { throw Failure(parsed.problems) }
    return parsed
  }

  /// Reads a file's bytes as far as possible; what is wrong with it is among its problems.
  ///
  /// - Throws: what makes reading pointless, such as bytes that aren't text.
  static func read(bytes: [UInt8], fileName: String) throws(Failure) -> ParsedConfiguration {
    let text = try ConfigurationText(bytes: bytes, fileName: fileName)
    let scan = StatementScanner(text)
    var assignments = scan.assignments
    let values = try IniLibrary.readValues(of: assignments, in: text)
    for index in assignments.indices { assignments[index].value = values[index] }

    var places = PlaceChecker(text: text)
    places.check(headers: scan.headers)
    let known = places.check(assignments: assignments)
    var stated: [ParsedConfiguration.Stated] = []
    var mistakes: [(Assignment, Setting, ValueProblem)] = []
    for (assignment, setting) in known {
      if assignment.value.isEmpty, setting.type.allowsEmpty { continue }
      do throws(ValueProblem) {
        let value = try ValueParser.parse(assignment.value, as: setting.type)
        stated.append(.init(assignment: assignment, setting: setting, value: value))
      } catch {
        mistakes.append((assignment, setting, error))
      }
    }
    let scope = ParsedConfiguration.scope(of: stated)
    let partial = ParsedConfiguration(
      fileName: fileName, text: text, headers: scan.headers, assignments: assignments,
      stated: stated, problems: [])
    let wrongValues = mistakes.map { assignment, setting, problem in
      diagnostic(of: problem, assignment, setting, scope: scope, in: partial)
    }
    return ParsedConfiguration(
      fileName: fileName, text: text, headers: scan.headers, assignments: assignments,
      stated: stated,
      problems: ProblemList.ordered(scan.problems + places.problems + wrongValues))
  }

  /// A wrong value is an error only where it would have been used.
  private static func diagnostic(
    of problem: ValueProblem, _ assignment: Assignment, _ setting: Setting, scope: Scope?,
    in parsed: ParsedConfiguration
  ) -> Diagnostic {
    var location = parsed.valueLocation(assignment, part: problem.range, label: problem.label)
    if setting.isSecret { location.lineText = nil }
    let isIdle = scope.map { setting.scope.isDisjoint(with: $0) } ?? false
    let isForeign = KeyTable.section(assignment.section)?.isForeign == true
    return Diagnostic(
      problem.code, "\(setting.name) \(problem.message)",
      severity: isIdle || isForeign ? .warning : .error, location: location,
      notes: isIdle || isForeign ? ["the key has no effect on this quantization"] : [],
      help: "gsconvert config --explain \(assignment.section).\(setting.name)")
  }
}
