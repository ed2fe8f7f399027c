import Testing

/// `gsconvert config`.
@Suite struct ConfigCommandTests {
  private func check(_ text: String) throws -> Program.Outcome {
    let folder = try TemporaryFolder()
    try folder.write("job.cfg", text)
    return try Program.run(["config", "--check", "job.cfg"], in: folder)
  }

  @Test func aGoodFileIsShownWithItsDefaults() throws {
    let outcome = try check(Fixtures.weightQuantization + "bit_num=4\n")
    #expect(outcome.status == 0)
    #expect(outcome.error == "")
    try Snapshot.check(outcome.output, "config-check")
  }

  @Test func warningsAreShownAndCounted() throws {
    let outcome = try check(Fixtures.weightQuantization + "workspace=.\n")
    #expect(outcome.status == 0)
    #expect(outcome.error.hasPrefix("warning[GS1013]: "))
    #expect(outcome.outputLines.last == "job.cfg: no errors, 1 warning")
  }

  @Test func everyProblemOfABadFileIsShownAtOnce() throws {
    let outcome = try check("[common_quant_param]\nbit_num=17\n[weight_quant_parm]\n")
    #expect(outcome.status == 78)
    #expect(outcome.outputLines.last == "CONVERT RESULT FAILED:78")
    try Snapshot.check(outcome.error, "config-check-bad")
  }

  @Test func theFlagsInTheFileAreCheckedToo() throws {
    let flags = "[converter_param]\noutputFile=result.onnx\n"
    let good = try check(Fixtures.weightQuantization + flags + "optimize=none\n")
    #expect(good.status == 0)
    #expect(good.error.hasPrefix("warning[GS0006]: optimize=none has no effect"))
    #expect(good.outputLines.last == "job.cfg: no errors, 1 warning")
    let bad = try check(Fixtures.weightQuantization + flags + "trainModel=true\n")
    #expect(bad.status == 69)
    #expect(bad.error.contains("this version cannot do trainModel=true yet"))
    #expect(!bad.error.contains("is missing"))
  }

  @Test func aFileWithoutQuantizationIsTold() throws {
    let outcome = try check("[weight_quant_param]\nper_channel=true\n")
    #expect(outcome.status == 78)
    #expect(outcome.error.hasPrefix("error[GS1009]: quant_type is missing"))
  }

  @Test func aMissingFileIsTold() throws {
    let outcome = try Program.run(["config", "--check", "none.cfg"], in: TemporaryFolder())
    #expect(outcome.status == 66)
    #expect(outcome.error.contains("--> none.cfg"))
  }

  @Test(arguments: [
    (nil, "explain-all"), ("weight_quant_param", "explain-section"),
    ("common_quant_param.bit_num", "explain-key"), ("converter_param.saveType", "explain-flag"),
  ])
  func aNameIsExplained(name: String?, snapshot: String) throws {
    let outcome = try Program.run(
      ["config", "--explain"] + (name.map { [$0] } ?? []), in: TemporaryFolder())
    #expect(outcome.status == 0)
    #expect(outcome.error == "")
    #expect(!outcome.output.hasSuffix("\n\n"))
    try Snapshot.check(outcome.output, snapshot)
  }

  @Test(arguments: [
    ("bit_nun", "did you mean 'bit_num'?"), ("full_quant_parm", "did you mean 'full_quant_param'?"),
    ("qwertyuiop", "gsconvert config --explain lists all sections"),
  ])
  func anUnknownNameIsTold(name: String, help: String) throws {
    let outcome = try Program.run(["config", "--explain", name], in: TemporaryFolder())
    #expect(outcome.status == 64)
    #expect(outcome.error.contains("there is no section, key or flag '\(name)'"))
    #expect(outcome.error.contains(help))
  }
}
