import Support

/// Why a file can't be an input, without the file's name.
public struct SampleProblem: Error, Hashable, Sendable {
  /// The kind of problem, which decides its code.
  enum Kind {
    /// It can't be read or is damaged.
    case unreadable
    /// Type or shape differ from the model's.
    case unfit
    /// Raw bytes, and their number is wrong.
    case wrongSize
    /// NaN or an infinity.
    case nonFinite
    /// Nothing is wrong with the file, but the input's shape isn't known.
    case shapeUnknown

    var code: DiagnosticCode {
      switch self {
      case .unreadable: .calibrationSampleUnreadable
      case .unfit, .shapeUnknown: .calibrationDataInvalid
      case .wrongSize: .calibrationSizeWrong
      case .nonFinite: .calibrationNonFinite
      }
    }
  }

  let kind: Kind
  /// What is wrong.
  public let message: String
  /// Facts behind it.
  public let notes: [String]
  /// What to do.
  public let help: String?

  init(_ kind: Kind, _ message: String, notes: [String] = [], help: String? = nil) {
    self.kind = kind
    self.message = message
    self.notes = notes
    self.help = help
  }

  /// The problem of a calibration file. One that every file has alike names none.
  func diagnostic(file: String) -> Diagnostic {
    Diagnostic(
      kind.code,
      (kind == .unreadable ? "a calibration sample cannot be used: " : "") + message,
      location: kind == .shapeUnknown ? nil : .init(file: file), notes: notes,
      help: help)
  }
}
