import Testing

/// `.ms` files from the command line.
@Suite struct MSFileTests {
  private let paths = ["--modelFile=model.onnx", "--outputFile=result.ms", "--quiet"]

  @Test func withoutAConfigurationTheModelStaysFloat() throws {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    let outcome = try Program.run(paths, in: folder)
    #expect(outcome.status == 0)
    #expect(outcome.output == "CONVERT RESULT SUCCESS:0\n")
    let inspection = try Program.run(["inspect", "result.ms"], in: folder)
    #expect(inspection.status == 0)
    #expect(inspection.output.contains("   .ms   "))
    #expect(inspection.output.contains("Conv2DFusion"))
    #expect(inspection.output.contains("quantized  nothing"))
  }

  @Test func weightsBecomeIntegers() throws {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    let outcome = try Program.run(paths + ["--configFile=job.cfg"], in: folder)
    #expect(outcome.status == 0)
    let inspection = try Program.run(["inspect", "result.ms", "--logFormat=json"], in: folder)
    #expect(inspection.output.contains("\"type\":\"int8\""))
    #expect(!inspection.output.contains("\"quantizedConstants\":0"))
  }

  @Test(arguments: ["bit_num=3", "bit_num=0"]) func packedWeightsAreSmaller(bits: String) throws {
    let text = "[common_quant_param]\nquant_type=WEIGHT_QUANT\nmin_quant_weight_channel=0\n"
    let sizes = try ["bit_num=8", bits].map { bits in
      let folder = try TemporaryFolder(configuration: text + bits + "\n")
      #expect(try Program.run(paths + ["--configFile=job.cfg"], in: folder).status == 0)
      return try folder.bytes("result.ms").count
    }
    #expect(sizes[1] < sizes[0])
  }

  @Test(arguments: [
    (
      "[common_quant_param]\nquant_type=WEIGHT_QUANT\nbit_num=8\ndebug_info_save_path=out\n",
      "debug_info_save_path"
    )
  ])
  func whatSuchFilesCannotHaveIsRefused(text: String, name: String) throws {
    let folder = try TemporaryFolder(configuration: text)
    let outcome = try Program.run(paths + ["--configFile=job.cfg"], in: folder)
    #expect(outcome.status == 69)
    #expect(outcome.error.contains("cannot do \(name) with a .ms file yet"))
    #expect(try folder.files() == ["job.cfg", "model.onnx"])
  }

  @Test func aDamagedFileIsNamed() throws {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    try folder.write(
      "bad.ms", [28, 0, 0, 0] + Array("MSL2".utf8) + Array(repeating: 7, count: 64))
    let outcome = try Program.run(["inspect", "bad.ms"], in: folder)
    #expect(outcome.status == 65)
    #expect(outcome.error.contains("'bad.ms' is not a sound .ms file"))
  }
}
