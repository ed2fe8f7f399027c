/// Process exit codes, after the BSD `sysexits` convention. Documented in the README.
public enum ExitStatus: Int32, Sendable, CaseIterable {
  /// The job was done.
  case success = 0
  /// The result is written, and worse than `--minCosine` allows.
  case belowThreshold = 2
  /// The command line is wrong.
  case usage = 64
  /// A model or data file is malformed.
  case badData = 65
  /// An input file does not exist or cannot be read.
  case noInput = 66
  /// The request is valid but this version cannot do it.
  case unsupported = 69
  /// A bug of ours.
  case internalError = 70
  /// An output cannot be written.
  case cannotWrite = 73
  /// The configuration file is wrong.
  case configuration = 78

  /// One line for the manual.
  public var summary: String {
    switch self {
    case .success: "the job was done"
    case .belowThreshold: "the result is written, and worse than --minCosine allows"
    case .usage: "the command line is wrong"
    case .badData: "a model or data file is malformed"
    case .noInput: "an input file does not exist or cannot be read"
    case .unsupported: "valid, but this version cannot do it"
    case .internalError: "a bug in gsconvert; please report it"
    case .cannotWrite: "an output cannot be written"
    case .configuration: "the configuration is wrong"
    }
  }
}
