import Support
import Testing

@testable import Configuration

@Suite struct ConverterOptionsTests {
  private let complete = ["modelFile": "a.onnx", "outputFile": "b.onnx"]

  private func options(
    _ flags: [String: String], file: String? = nil
  ) throws(Failure) -> ConverterOptions {
    var parsed: ParsedConfiguration?
    if let file {
      parsed = try ConfigurationParser.parse(bytes: Array(file.utf8), fileName: "quant.cfg")
    }
    return try ConverterOptions(commandLine: flags, file: parsed)
  }

  private func refusal(
    _ flags: [String: String], file: String? = nil
  ) throws -> [Diagnostic] {
    let failure = try #require(failure { () throws(Failure) in try options(flags, file: file) })
    return failure.diagnostics
  }

  @Test func defaultsHold() throws {
    let options = try options(complete)
    #expect(options.fmk == nil)
    #expect(options.saveType == .onnx)
    #expect(options.outputFile == "b.onnx")
    #expect(options.threads == 0)
    #expect(!options.dryRun && !options.quiet && !options.verbose)
    #expect(options.logFormat == .text)
    #expect(options.warnings.isEmpty)
  }

  @Test func theCommandLineWinsOverTheFile() throws {
    let file = """
      [converter_param]
      modelFile=file.onnx
      outputFile=file_out
      saveType=onnx
      threads=3
      verbose=True
      """
    let options = try options(
      ["modelFile": "line.onnx", "threads": "4", "fmk": "onnx"], file: file)
    #expect(options.modelFile == "line.onnx")
    #expect(options.outputFile == "file_out.onnx")
    #expect(options.threads == 4)
    #expect(options.verbose)
    #expect(options.fmk == .onnx)
    #expect(
      options.effectiveLines.joined(separator: "\n").contains("threads=4 (command line)"))
    #expect(options.effectiveLines.joined().contains("saveType=ONNX  "))
  }

  @Test func aFlagOfTheFileThatIsOverruledMayBeUnsupported() throws {
    let file = "[converter_param]\nsaveType=MINDIR\nfmk=TFLITE\n"
    var flags = complete
    flags["saveType"] = "ONNX"
    flags["fmk"] = "ONNX"
    #expect(try options(flags, file: file).saveType == .onnx)
  }

  @Test func missingFilesAreNamedTogether() throws {
    let found = try refusal(["modelFile": ""])
    #expect(found.map(\.message) == ["--modelFile is missing", "--outputFile is missing"])
    #expect(found.allSatisfy { $0.code == .flagMissing && $0.help != nil })
    #expect(Failure(found).exitStatus == .usage)
  }

  @Test(arguments: [
    ("saveType", "FOO", "--saveType=FOO: saveType must be ONNX, MINDIR_LITE or MINDIR, not 'FOO'"),
    ("threads", "1025", "--threads=1025: threads must be from 0 to 1024, not 1025"),
    ("dryRun", "1", "--dryRun=1: dryRun must be true or false, not '1'"),
    ("fmk", "", "--fmk=: fmk has no value; it must be ONNX, TF,"),
    ("inputShape", "x", "--inputShape=x: inputShape must be shapes"),
    ("thread", "2", "unknown flag --thread"),
  ])
  func wrongFlagsAreUsageErrors(name: String, value: String, message: String) throws {
    let found = try refusal(complete.merging([name: value]) { $1 })
    #expect(found.map(\.code) == [.flagInvalid])
    #expect(found[0].message.hasPrefix(message))
  }

  @Test(arguments: [
    ("fmk", "TFLITE"), ("saveType", "MINDIR"),
    ("inputDataType", "UINT8"),
    ("outputDataType", "FLOAT16"), ("outputDataFormat", "NCHW"),
    ("optimize", "gpu_oriented"), ("device", "GPU"),
    ("trainModel", "TRUE"), ("optimizeTransformer", "true"),
    ("encryption", "true"), ("encryptKey", "30313233"), ("decryptKey", "30"),
    ("decryptMode", "AES-CBC"),
  ])
  func whatIsNotBuiltIsRefusedByName(name: String, value: String) throws {
    let flags = ["modelFile": "a.onnx", "outputFile": "b", name: value]
    let first = try #require(try refusal(flags).first { $0.message.contains("--\(name)") })
    #expect(first.code == .flagUnsupported)
    #expect(first.code.exitStatus == .unsupported)
    #expect(first.notes.first?.hasPrefix("it needs") == true)
  }

  @Test(arguments: [
    ("inputDataType", "default"), ("outputDataType", "DEFAULT"), ("fp16", "OFF"),
    ("infer", "false"), ("encryption", "False"), ("trainModel", "false"),
  ])
  func defaultsMayBeWrittenOut(name: String, value: String) throws {
    #expect(try options(complete.merging([name: value]) { $1 }).warnings.isEmpty)
  }

  @Test func optimizeIsAcceptedWithAWarning() throws {
    let warnings = try options(complete.merging(["optimize": "general"]) { $1 }).warnings
    #expect(warnings.map(\.code) == [.flagWithoutEffect])
  }

  @Test(arguments: [
    (["optimize": "ascend_oriented"], true), (["optimize": "ascend_oriented:310P"], true),
    (["device": "Ascend310"], true), (["optimize": "general"], false), ([:], false),
  ])
  func eitherFlagMeansAscend(flags: [String: String], isForAscend: Bool) throws {
    #expect(try options(complete.merging(flags) { $1 }).isForAscend == isForAscend)
  }

  @Test func inputShapesAreForTheRunOfTheResult() throws {
    let shapes = complete.merging(["inputShape": "x:1,3;y:2"]) { $1 }
    let run = try options(shapes.merging(["infer": "true"]) { $1 })
    #expect(run.warnings.isEmpty)
    #expect(run.infer)
    #expect(run.inputShapes == ["x": [1, 3], "y": [2]])
    let twice = try refusal(complete.merging(["inputShape": "x:1;x:2"]) { $1 })
    #expect(twice.map(\.code) == [.flagInvalid])
  }

  @Test func keysAreNeverPrinted() throws {
    let secret = "00112233445566778899AABBCCDDEEFF"
    let line = try refusal(complete.merging(["encryptKey": secret]) { $1 })
    let file = try refusal(complete, file: "[converter_param]\ndecryptKey=\(secret)\n")
    for diagnostic in line + file {
      #expect(!DiagnosticRenderer.render(diagnostic).contains(secret))
    }
  }

  @Test(arguments: [
    ("b.onnx", nil, "b.onnx", SaveType.onnx), ("B.ONNX", nil, "B.ONNX", .onnx),
    ("b", "ONNX", "b.onnx", .onnx), ("v1.2", "onnx", "v1.2.onnx", .onnx),
    ("b.ms", nil, "b.ms", .mindirLite), ("b", nil, "b.ms", .mindirLite),
    ("b", "MINDIR_LITE", "b.ms", .mindirLite),
  ])
  func theExtensionAndTheFormatAgree(
    output: String, saveType: String?, path: String, type: SaveType
  ) throws {
    var flags = ["modelFile": "a.onnx", "outputFile": output]
    flags["saveType"] = saveType
    let options = try options(flags)
    #expect(options.outputFile == path)
    #expect(options.saveType == type)
  }

  @Test(arguments: [
    ("dir/", nil, DiagnosticCode.flagInvalid), ("b.ms", "ONNX", .flagConflict),
    ("b.mindir", nil, .flagUnsupported), ("a.onnx", nil, .flagConflict),
    ("a", "ONNX", .flagConflict),
  ])
  func impossibleOutputsAreRefused(output: String, saveType: String?, code: DiagnosticCode) throws {
    var flags = ["modelFile": "a.onnx", "outputFile": output]
    flags["saveType"] = saveType
    let found = try refusal(flags)
    #expect(found.map(\.code) == [code])
    #expect(found[0].help != nil)
  }

  @Test func conflictsAreUsageErrors() throws {
    let flags = ["weightFile": "w.bin", "quiet": "true", "verbose": "true"]
    let found = try refusal(complete.merging(flags) { $1 })
    #expect(found.map(\.code) == [.flagConflict, .flagConflict])
  }

  @Test func aRefusalOfTheFileHasItsPlace() throws {
    let found = try refusal(complete, file: "[converter_param]\ntrainModel=true\n")
    #expect(found[0].location?.line == 2)
    #expect(found[0].location?.column == 12)
  }
}
