import ArgumentParser
import Glibc
import Support

/// The program: reads the arguments, runs the command, and says how it went.
@main
enum Entry {
  static func main() {
    signal(SIGPIPE, SIG_IGN)
    let arguments = ArgumentSpelling.expanded(Array(CommandLine.arguments.dropFirst()))
    let console = Console(isJSON: arguments.contains("--logFormat=json"))
    if let failure = ArgumentSpelling.problems(arguments) { console.fail(failure) }
    do {
      var command = try GSConvert.parseAsRoot(arguments)
      try command.run()
    } catch let failure as Failure {
      console.fail(failure)
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
}
