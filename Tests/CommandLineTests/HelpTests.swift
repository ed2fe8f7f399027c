import Testing

/// What the program says about itself.
@Suite struct HelpTests {
  @Test(arguments: [
    (["--help"], "help"), (["inspect", "--help"], "help-inspect"),
    (["config", "--help"], "help-config"), (["run", "--help"], "help-run"),
    (["samples", "--help"], "help-samples"),
  ])
  func helpIsPrinted(arguments: [String], snapshot: String) throws {
    let outcome = try Program.run(arguments, in: TemporaryFolder(), environment: ["COLUMNS": "80"])
    #expect(outcome.status == 0)
    #expect(outcome.error == "")
    try Snapshot.check(outcome.output, snapshot)
  }

  @Test(arguments: ["inspect", "config", "run", "samples"])
  func theHelpCommandSaysTheSame(command: String) throws {
    let folder = try TemporaryFolder()
    let asked = try Program.run(["help", command], in: folder)
    let flagged = try Program.run([command, "--help"], in: folder)
    #expect(asked.status == 0)
    #expect(asked.outputLines.prefix(3) == flagged.outputLines.prefix(3))
    #expect(asked.output.contains("gsconvert \(command)"))
  }

  @Test func theVersionIsPrinted() throws {
    let outcome = try Program.run(["--version"], in: TemporaryFolder())
    #expect(outcome.status == 0)
    #expect(outcome.error == "")
    #expect(outcome.output.wholeMatch(of: #/gsconvert \d+\.\d+\.\d+\n/#) != nil)
  }

  @Test func everyExitCodeIsInTheHelp() throws {
    let help = try Program.run(["--help"], in: TemporaryFolder()).output
    for code in [0, 64, 65, 66, 69, 70, 73, 78] {
      #expect(help.contains(try Regex("\\b\(code)\\s+[a-z]")), "\(code) is missing")
    }
  }

  @Test func withoutArgumentsEveryMissingFlagIsNamed() throws {
    let outcome = try Program.run([], in: TemporaryFolder())
    #expect(outcome.status == 64)
    #expect(outcome.output == "CONVERT RESULT FAILED:64\n")
    try Snapshot.check(outcome.error, "no-arguments")
  }
}
