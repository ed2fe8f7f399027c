import Glibc
import Support

/// Where the program's words go: results to standard output, all else to standard error.
struct Console: Sendable {
  /// Whether messages are JSON objects, one a line.
  let isJSON: Bool

  init(isJSON: Bool = false) { self.isJSON = isJSON }

  /// Reads the value of `--logFormat`.
  init(logFormat: String) throws(Failure) {
    let format = logFormat.lowercased()
    guard ["text", "json"].contains(format) else {
      throw Failure(
        .flagInvalid, "--logFormat=\(logFormat) is neither text nor json",
        help: "use --logFormat=json")
    }
    isJSON = format == "json"
  }

  /// A line of the result. A reader that went away is fine; a full disk is not.
  func result(_ line: String) {
    guard let problem = Console.write(line + "\n", to: STDOUT_FILENO), problem.number != EPIPE
    else { return }
    show([
      Diagnostic(
        .cannotWrite, "the result cannot be written to standard output: \(problem.reason)")
    ])
    exit(ExitStatus.cannotWrite.rawValue)
  }

  /// A line of progress.
  func log(_ line: String) { Console.write(line + "\n", to: STDERR_FILENO) }

  /// Diagnostics, each with a blank line's worth of room in text.
  func show(_ diagnostics: [Diagnostic]) {
    for diagnostic in diagnostics {
      let text =
        isJSON ? diagnostic.json.text + "\n" : DiagnosticRenderer.render(diagnostic)
      Console.write(text, to: STDERR_FILENO)
    }
  }

  /// Tells a failure and ends the process with its exit status.
  ///
  /// - Parameter undone: what the command would have done.
  func fail(_ failure: Failure, undone: String = "converted") -> Never {
    show(failure.diagnostics)
    let status = failure.exitStatus
    let errors = failure.diagnostics.filter { $0.severity == .error }.count
    if isJSON {
      result(
        JSONValue.object([
          ("result", .string("FAILED")), ("exitCode", .integer(Int(status.rawValue))),
          ("errors", .integer(errors)),
        ]).text)
    } else {
      if errors > 1 { log("\(errors) problems; nothing was \(undone).") }
      result("CONVERT RESULT FAILED:\(status.rawValue)")
    }
    exit(status.rawValue)
  }

  /// Whether standard error is a terminal.
  static var hasTerminal: Bool { isatty(STDERR_FILENO) == 1 }

  /// Writes text without a line end.
  ///
  /// - Returns: what went wrong, if anything did.
  @discardableResult
  static func write(_ text: String, to descriptor: Int32) -> SystemError? {
    var rest = ArraySlice(text.utf8)
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0 {
        if errno == EINTR { continue }
        return SystemError("write", errno)
      }
      rest = rest.dropFirst(count)
    }
    return nil
  }
}
