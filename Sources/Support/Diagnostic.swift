/// One problem, told to the person who can mend it: what, where, why, and what to do.
///
/// A cause makes one diagnostic; there is no stack of return paths. Rendering is separate
/// (`DiagnosticRenderer`), so the same facts serve a terminal and a JSON stream.
public struct Diagnostic: Hashable, Sendable {
  /// How much the problem matters.
  public enum Severity: String, Hashable, Sendable {
    case error
    case warning
    case note
  }

  /// Where in a text file the problem stands. Lines and columns count from 1, columns in bytes.
  public struct Location: Hashable, Sendable {
    /// The file as the user named it.
    public var file: String
    /// Line number from 1; nil when the whole file is meant.
    public var line: Int?
    /// Column in bytes from 1.
    public var column: Int?
    /// Number of bytes to underline.
    public var length: Int
    /// The text of the line, without its end.
    public var lineText: String?
    /// A word put behind the underline ("did you mean ...").
    public var label: String?

    /// Makes a location; leave out what isn't known.
    public init(
      file: String, line: Int? = nil, column: Int? = nil, length: Int = 1, lineText: String? = nil,
      label: String? = nil
    ) {
      self.file = file
      self.line = line
      self.column = column
      self.length = length
      self.lineText = lineText
      self.label = label
    }
  }

  /// The stable code, from the one table of codes.
  public var code: DiagnosticCode
  /// How much it matters.
  public var severity: Severity
  /// One sentence without a full stop: what is wrong.
  public var message: String
  /// Where, if it is in a text file or a model file.
  public var location: Location?
  /// Why: facts that explain the message, one per line.
  public var notes: [String]
  /// What to do next.
  public var help: String?

  /// Makes a diagnostic.
  public init(
    _ code: DiagnosticCode, _ message: String, severity: Severity = .error,
    location: Location? = nil, notes: [String] = [], help: String? = nil
  ) {
    self.code = code
    self.severity = severity
    self.message = message
    self.location = location
    self.notes = notes
    self.help = help
  }
}

/// A step could not be done. Carries every problem found, errors and warnings alike.
public struct Failure: Error, Sendable {
  /// The problems, in the order they should be read. At least one is an error.
  public var diagnostics: [Diagnostic]

  /// A failure with several problems.
  public init(_ diagnostics: [Diagnostic]) { self.diagnostics = diagnostics }

  /// A failure with one problem.
  public init(_ diagnostic: Diagnostic) { diagnostics = [diagnostic] }

  /// A failure with one problem, written in place.
  public init(
    _ code: DiagnosticCode, _ message: String, location: Diagnostic.Location? = nil,
    notes: [String] = [], help: String? = nil
  ) {
    self.init(Diagnostic(code, message, location: location, notes: notes, help: help))
  }

  /// The process exit status of the first error (its code decides).
  public var exitStatus: ExitStatus {
    diagnostics.first { $0.severity == .error }?.code.exitStatus ?? .internalError
  }
}
