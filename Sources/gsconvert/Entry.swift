import ArgumentParser
import Conversion
import Glibc
import Support

/// The program: reads the arguments, runs the command, and says how it went.
@main
enum Entry {
  static func main() {
    signal(SIGPIPE, SIG_IGN)
    // Past a limit of file sizes, writing fails and is told like a full disk.
    signal(SIGXFSZ, SIG_IGN)
    FreedMemory.keep()
    let arguments = ArgumentSpelling.expanded(Array(CommandLine.arguments.dropFirst()))
    let console = Console(isJSON: ArgumentSpelling.asksForJSON(arguments))
    if let failure = ArgumentSpelling.problems(arguments) { console.fail(failure) }
    do {
      var command = try command(arguments)
      try command.run()
    } catch let failure as Failure {
      console.fail(failure, undone: undone(arguments.first))
    } catch {
      let code = GSConvert.exitCode(for: error)
      guard code != .success else {
        Console.write(GSConvert.fullMessage(for: error) + "\n", to: STDOUT_FILENO)
        exit(0)
      }
      console.fail(
        Failure(
          .flagInvalid, ArgumentSpelling.firstSentence(GSConvert.message(for: error)),
          help: "`gsconvert --help` lists the flags"))
    }
  }

  /// What a command that failed has not done.
  private static func undone(_ command: String?) -> String {
    switch command {
    case "run": "run"
    case "samples": "written"
    default: "converted"
    }
  }

  /// The command that the arguments call. The root's flags would swallow a subcommand's of the
  /// same name, so a subcommand is parsed without the root.
  private static func command(_ arguments: [String]) throws -> any ParsableCommand {
    let rest = Array(arguments.dropFirst())
    switch arguments.first {
    case "inspect": return try InspectCommand.parseAsRoot(rest)
    case "run": return try RunCommand.parseAsRoot(rest)
    case "samples": return try SamplesCommand.parseAsRoot(rest)
    case "config": return try ConfigCommand.parseAsRoot(rest)
    default:
      let command = try GSConvert.parseAsRoot(arguments)
      let name: String
      switch command {
      case is InspectCommand: name = "inspect"
      case is RunCommand: name = "run"
      case is SamplesCommand: name = "samples"
      case is ConfigCommand: name = "config"
      default: return command
      }
      throw Failure(
        .flagInvalid, "flags stand before the command '\(name)'",
        help: "gsconvert \(name) comes first, then its flags")
    }
  }
}
