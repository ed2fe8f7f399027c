import Support

/// Puts the problems of one run in the order they should be read.
enum ProblemList {
  /// More errors than this are counted, not shown.
  static let maximumErrorCount = 100

  /// The command line first, then what is wrong with the file, then what this version cannot do,
  /// then warnings; each in the order of the file's lines, the whole file last. Repeated ones are
  /// left out.
  static func ordered(_ problems: [Diagnostic]) -> [Diagnostic] {
    var seen: Set<Diagnostic> = []
    let unique = problems.filter { seen.insert($0).inserted }
    let ordered = unique.enumerated().sorted { a, b in key(a) < key(b) }.map(\.element)
    let errors = ordered.filter { $0.severity == .error }
    guard errors.count > maximumErrorCount else { return ordered }
    let rest = Diagnostic(
      .configSyntax, "\(errors.count - maximumErrorCount) more errors are not shown",
      severity: .note)
    return errors.prefix(maximumErrorCount) + [rest]
  }

  /// Whether one of the problems is an error.
  static func hasError(_ problems: [Diagnostic]) -> Bool {
    problems.contains { $0.severity == .error }
  }

  private static func key(
    _ item: EnumeratedSequence<[Diagnostic]>.Element
  ) -> (Int, Int, Int, Int) {
    let place = item.element.location
    return (rank(item.element), place?.line ?? Int.max, place?.column ?? 0, item.offset)
  }

  private static func rank(_ problem: Diagnostic) -> Int {
    if problem.severity != .error { return 4 }
    switch problem.code.exitStatus {
    case .usage: return 0
    case .noInput: return 1
    case .unsupported: return 3
    default: return 2
    }
  }
}
