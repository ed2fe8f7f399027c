import ArgumentParser
import Configuration
import Glibc
import Support

/// `gsconvert config`: checks a configuration file, or explains sections and keys.
struct ConfigCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "config",
    abstract: "Checks a configuration file, or explains sections and keys.",
    usage: """
      gsconvert config --check <job.cfg>
      gsconvert config --explain [<section>[.<key>]]
      """)

  @Flag(name: .customLong("check"), help: "Check the file and print the effective configuration.")
  var check = false

  @Flag(name: .customLong("explain"), help: "Explain a section or key; without a name, list all.")
  var explain = false

  @Argument(
    help: .init("The file to check, or what to explain.", valueName: "file | section[.key]"))
  var subject: String?

  func run() throws {
    let console = Console()
    switch (check, explain, subject) {
    case (true, false, .some(let path)):
      let warnings = try warnings(about: path)
      console.show(warnings)
      let parsed = try ConfigurationParser.load(path: path)
      for line in try QuantizationConfiguration(from: parsed).effectiveLines {
        console.result(line)
      }
      let count = warnings.count
      console.result("\(path): no errors, \(count) warning\(count == 1 ? "" : "s")")
    case (false, true, _):
      Console.write(try ConfigurationReference.explain(subject), to: STDOUT_FILENO)
    default:
      throw Failure(
        .flagMissing, "config needs --check with a file, or --explain",
        help: "gsconvert config --check job.cfg")
    }
  }

  /// Checks the file with the flags in it; those that only the command line gives aren't missed.
  private func warnings(about path: String) throws(Failure) -> [Diagnostic] {
    do throws(Failure) {
      return try ConfigurationLoader.load(commandLine: [FlagTable.configFile: path]).warnings
    } catch {
      let problems = error.diagnostics.filter { $0.code != .flagMissing }
      guard !problems.contains(where: { $0.severity == .error }) else { throw Failure(problems) }
      return problems
    }
  }
}
