import Testing

/// Conversions for Ascend devices from the command line.
@Suite struct AscendConversionTests {
  private static let configuration = """
    [common_quant_param]
    quant_type=FULL_QUANT
    [full_quant_param]
    target_device=ASCEND
    \(Fixtures.digitSamples(3))

    """

  private func convert(
    _ output: String, _ flags: [String], more: String = ""
  ) throws -> (folder: TemporaryFolder, outcome: Program.Outcome) {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    try folder.write("job.cfg", Self.configuration + more)
    let paths = ["--modelFile=model.onnx", "--outputFile=\(output)", "--configFile=job.cfg"]
    return (folder, try Program.run(paths + flags, in: folder))
  }

  @Test func withoutAConversionForAscendNothingIsDoneAndThatIsAnError() throws {
    let (folder, outcome) = try convert("result.ms", [])
    #expect(outcome.status == 78)
    #expect(
      outcome.errorLines.first
        == "error[GS1012]: target_device=ASCEND without a conversion for Ascend")
    #expect(outcome.error.contains("needs --optimize=ascend_oriented"))
    #expect(try folder.files() == ["job.cfg", "model.onnx"])
  }

  @Test(arguments: [
    ("result.ms", "--optimize=ascend_oriented"), ("result.ms", "--optimize=ascend_oriented:310P"),
    ("result.onnx", "--device=Ascend310"),
  ])
  func weightsBecomeIntegersWithCastsAtTheBorders(output: String, flag: String) throws {
    let (folder, outcome) = try convert(
      output, [flag, "--minCosine=0.9"], more: "[ascend_context]\nprovider=ge\n")
    #expect(outcome.status == 0, "\(outcome.error)")
    #expect(outcome.output.contains("run in integers on Ascend"))
    let inspection = try Program.run(["inspect", output], in: folder)
    let cast = output.hasSuffix(".ms") ? "QuantDTypeCast" : "QuantizeLinear"
    #expect(inspection.output.contains(cast))
    #expect(!inspection.output.contains("Ascend"), "no operator of the device's own")
  }

  @Test func operatorsOfTheDevicesLibrariesAreRefusedByName() throws {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    try folder.write(
      "job.cfg",
      Fixtures.weightQuantization + "[weight_quant_param]\ndequant_strategy=ON_THE_FLY\n")
    let outcome = try Program.run(
      Fixtures.job + ["--optimize=ascend_oriented:910b"], in: folder)
    #expect(outcome.status == 69)
    #expect(outcome.error.contains("AscendAntiQuant"))
    #expect(try folder.files() == ["job.cfg", "model.onnx"])
  }
}
