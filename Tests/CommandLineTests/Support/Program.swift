import Foundation

/// The built program, run as a process of its own.
enum Program {
  /// What a run left behind.
  struct Outcome: Sendable {
    var status: Int32
    var output: String
    var error: String

    /// Lines of standard output without their ends.
    var outputLines: [String] { Program.lines(of: output) }
    /// Lines of standard error without their ends.
    var errorLines: [String] { Program.lines(of: error) }
  }

  /// Beside the test runner, else in this package's debug build.
  static let path: String = {
    let runner = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    let beside = ((runner ?? "") as NSString).deletingLastPathComponent + "/gsconvert"
    let built = Fixtures.root + "/.build/debug/gsconvert"
    return FileManager.default.isExecutableFile(atPath: beside) ? beside : built
  }()

  /// Runs the program in `folder` until it ends.
  static func run(
    _ arguments: [String], in folder: TemporaryFolder, environment: [String: String] = [:]
  ) throws -> Outcome {
    try run(path, arguments, in: folder, environment: environment)
  }

  /// Runs the program through a shell: `setting` comes before it. Signals that the test runner
  /// ignores are not ignored there.
  static func run(
    shell setting: String, _ arguments: [String], in folder: TemporaryFolder
  ) throws -> Outcome {
    let script = setting + #"; exec env --default-signal "$0" "$@""#
    return try run("/bin/sh", ["-c", script, path] + arguments, in: folder)
  }

  private static func run(
    _ executable: String, _ arguments: [String], in folder: TemporaryFolder,
    environment: [String: String] = [:]
  ) throws -> Outcome {
    // Files rather than pipes: nothing has to be read while the program runs.
    let captured = try TemporaryFolder()
    for name in ["output", "error"] { try captured.write(name, "") }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: executable)
    process.arguments = arguments
    process.currentDirectoryURL = URL(fileURLWithPath: folder.path)
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = try captured.handle("output")
    process.standardError = try captured.handle("error")
    try process.run()
    process.waitUntilExit()
    return Outcome(
      status: process.terminationStatus, output: try captured.text("output"),
      error: try captured.text("error"))
  }

  private static func lines(of text: String) -> [String] {
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    if lines.last == "" { lines.removeLast() }
    return lines
  }
}
