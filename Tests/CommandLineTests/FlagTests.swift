import Testing

/// How flags are written, on the command line and in `[converter_param]`.
@Suite struct FlagTests {
  struct Wrong: Sendable, CustomTestStringConvertible {
    var arguments: [String]
    var message: String

    var testDescription: String { arguments.joined(separator: " ") }
  }

  static let wrong: [Wrong] = [
    .init(arguments: ["--modelFil=x"], message: "Did you mean '--modelFile'?"),
    .init(arguments: ["--outputfile=x"], message: "Did you mean '--outputFile'?"),
    .init(arguments: ["--bit_num=4"], message: "Unknown option '--bit_num'"),
    .init(arguments: ["-x"], message: "Unknown option '-x'"),
    .init(
      arguments: ["--modelFile=x", "--modelFile=y"], message: "--modelFile is given twice"),
    .init(arguments: ["--fmk=ONNX", "--fmk", "ONNX"], message: "--fmk is given twice"),
    .init(arguments: ["--dryRun", "--dryRun=false"], message: "--dryRun is given twice"),
    .init(arguments: ["junk"], message: "Unexpected argument 'junk'"),
    .init(
      arguments: ["--fmk=ONNX", "model.onnx"], message: "Unexpected argument 'model.onnx'"),
    .init(arguments: ["--modelFile"], message: "Missing value for '--modelFile"),
    .init(arguments: ["--modelFile", "--fmk=ONNX"], message: "Missing value for '--modelFile"),
    .init(arguments: ["inspect"], message: "Missing expected argument '<model>'"),
    .init(arguments: ["inspect", "a", "b"], message: "Unexpected argument 'b'"),
    .init(arguments: ["inspect", "a", "--fmk=ONNX"], message: "Unknown option '--fmk'"),
    .init(
      arguments: ["--verbose", "inspect", "a"],
      message: "flags stand before the command 'inspect'"),
    .init(arguments: ["config"], message: "config needs --check with a file, or --explain"),
    .init(arguments: ["config", "--check"], message: "config needs --check with a file"),
    .init(
      arguments: ["config", "--check", "--explain", "a"],
      message: "config needs --check with a file"),
  ]

  @Test(arguments: wrong) func aWrongFlagIsTold(flag: Wrong) throws {
    let outcome = try Program.run(flag.arguments, in: TemporaryFolder())
    #expect(outcome.status == 64)
    #expect(outcome.output == "CONVERT RESULT FAILED:64\n")
    #expect(outcome.error.contains(flag.message))
    #expect(outcome.error.hasPrefix("error[GS000"))
  }

  @Test(arguments: [
    ("--threads=x", "threads must be an integer from 0 to 1024, not 'x'"),
    ("--threads=1025", "threads must be from 0 to 1024, not 1025"),
    ("--dryRun=maybe", "dryRun must be true or false, not 'maybe'"),
    ("--logFormat=xml", "logFormat must be text or json, not 'xml'"),
    ("--saveType=ONX", "saveType must be"),
    ("--fmk=", "fmk"),
    ("--weightFile=a", "--weightFile=a is only for --fmk=CAFFE"),
  ])
  func aWrongValueIsTold(flag: String, message: String) throws {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    let arguments = Fixtures.job.filter { !flag.hasPrefix($0.prefix { $0 != "=" } + "=") }
    let outcome = try Program.run(arguments + [flag], in: folder)
    #expect(outcome.status == 64)
    #expect(outcome.outputLines == ["CONVERT RESULT FAILED:64"])
    #expect(outcome.error.contains(message))
    #expect(try folder.files() == ["job.cfg", "model.onnx"])
  }

  @Test func quietAndVerboseExcludeEachOther() throws {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    let outcome = try Program.run(Fixtures.job + ["--quiet", "--verbose"], in: folder)
    #expect(outcome.status == 64)
    #expect(outcome.error.contains("quiet and verbose exclude each other"))
  }

  @Test func bothSpellingsOfAFlagDoTheSame() throws {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    let joined = try Program.run(Fixtures.job + ["--quiet=true"], in: folder)
    let first = try folder.bytes("result.onnx")
    let separate = try Program.run(
      ["--modelFile", "model.onnx", "--outputFile", "other.onnx", "--configFile", "job.cfg"]
        + ["--fmk", "onnx", "--quiet"], in: folder)
    #expect(joined.status == 0)
    #expect(separate.status == 0)
    #expect(joined.output == separate.output)
    #expect(try folder.bytes("other.onnx") == first)
  }

  @Test(arguments: [
    (["--quiet"], true), (["--quiet=true"], true), (["--quiet", "true"], true),
    (["--quiet", "TRUE"], true), (["--quiet=false"], false), (["--quiet", "false"], false),
    (["--quiet", "--fmk=ONNX"], true),
  ])
  func aSwitchStandsAloneOrHasAValue(flag: [String], isQuiet: Bool) throws {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    let outcome = try Program.run(Fixtures.job + flag, in: folder)
    #expect(outcome.status == 0)
    #expect((outcome.outputLines.count == 1) == isQuiet)
  }

  @Test func theFileAloneCanHoldEveryFlag() throws {
    let folder = try TemporaryFolder(
      configuration: """
        [converter_param]
        fmk=ONNX
        modelFile=model.onnx
        outputFile=from-file
        saveType=ONNX
        quiet=true

        """ + Fixtures.weightQuantization)
    let outcome = try Program.run(["--configFile=job.cfg"], in: folder)
    #expect(outcome.status == 0)
    #expect(outcome.output == "CONVERT RESULT SUCCESS:0\n")
    #expect(outcome.error == "")
    #expect(try folder.files() == ["from-file.onnx", "job.cfg", "model.onnx"])
  }

  @Test func theCommandLineWinsOverTheFile() throws {
    let folder = try TemporaryFolder(
      configuration: """
        [converter_param]
        modelFile=missing.onnx
        outputFile=from-file.onnx
        quiet=true

        """ + Fixtures.weightQuantization)
    let outcome = try Program.run(
      ["--configFile=job.cfg", "--modelFile=model.onnx", "--outputFile=from-flag.onnx"]
        + ["--quiet=false"], in: folder)
    #expect(outcome.status == 0)
    #expect(outcome.outputLines.count > 1)
    #expect(try folder.files() == ["from-flag.onnx", "job.cfg", "model.onnx"])
  }

  @Test func aFlagWithoutEffectIsAWarning() throws {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    let outcome = try Program.run(Fixtures.job + ["--optimize=none"], in: folder)
    #expect(outcome.status == 0)
    #expect(outcome.error.hasPrefix("warning[GS0006]: --optimize=none has no effect"))
    #expect(outcome.outputLines.contains("warnings   1"))
  }

  @Test func aMissingConfigurationFlagSaysWhatItIsFor() throws {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    let outcome = try Program.run(Array(Fixtures.job.prefix(2)), in: folder)
    #expect(outcome.status == 64)
    #expect(outcome.error.contains("--configFile is missing: no quantization is asked for"))
  }
}
