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

  @Test func halfPrecisionTakesHalfTheBytes() throws {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    #expect(try Program.run(paths, in: folder).status == 0)
    let whole = try folder.bytes("result.ms").count
    let outcome = try Program.run(paths + ["--fp16=on"], in: folder)
    #expect(outcome.status == 0 && outcome.error.isEmpty, "\(outcome.error)")
    let half = try folder.bytes("result.ms").count
    #expect(10 * half < 6 * whole)
    let inspection = try Program.run(["inspect", "result.ms", "--logFormat=json"], in: folder)
    #expect(inspection.output.contains("\"type\":\"float16\""))
  }

  @Test func halfPrecisionIsWhatIsCompared() throws {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    func quality(_ flags: [String]) throws -> String {
      let outcome = try Program.run(
        paths + flags + ["--minCosine=0.999", "--logFormat=json"], in: folder)
      #expect(outcome.status == 0, "\(outcome.error)")
      return try #require(outcome.output.split(separator: "\"quality\":").dropFirst().first)
        .description
    }
    let before = try folder.bytes("model.onnx")
    #expect(try quality([]).contains("\"cosine\":1,"))
    let compared = try quality(["--fp16=on"])
    #expect(compared.contains("\"cosine\":0.99999"), "\(compared)")
    let alone = try folder.bytes("result.ms")
    #expect(try Program.run(paths + ["--fp16=on"], in: folder).status == 0)
    #expect(try folder.bytes("result.ms") == alone)
    #expect(try folder.bytes("model.onnx") == before)
  }

  @Test func halfPrecisionAndIntegersGoTogether() throws {
    let folder = try TemporaryFolder(
      configuration: "[common_quant_param]\nquant_type=WEIGHT_QUANT\nskip_quant_node=/stem/*\n")
    let job = paths + ["--configFile=job.cfg", "--fp16=on"]
    let outcome = try Program.run(job, in: folder)
    #expect(outcome.status == 0, "\(outcome.error)")
    let inspection = try Program.run(["inspect", "result.ms", "--logFormat=json"], in: folder)
    #expect(inspection.output.contains("\"type\":\"int8\""))
    #expect(inspection.output.contains("\"type\":\"float16\""))
  }

  @Test func halfPrecisionIsForSuchFilesOnly() throws {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    let outcome = try Program.run(
      ["--modelFile=model.onnx", "--outputFile=result.onnx", "--configFile=job.cfg", "--fp16=on"],
      in: folder)
    #expect(outcome.status == 64)
    #expect(outcome.error.contains("--fp16=on needs a .ms file"))
    #expect(try folder.files() == ["job.cfg", "model.onnx"])
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

  @Test func whatSuchFilesCannotHaveIsRefused() throws {
    let folder = try TemporaryFolder(
      configuration: "[common_quant_param]\nquant_type=FULL_QUANT\n[full_quant_param]\n"
        + "target_device=DSP\n[data_preprocess_param]\ncalibrate_path=image:.\n"
        + "calibrate_size=1\ninput_type=BIN\n")
    let outcome = try Program.run(paths + ["--configFile=job.cfg"], in: folder)
    #expect(outcome.status == 69)
    #expect(outcome.error.contains("cannot do target_device=DSP with a .ms file yet"))
    #expect(try folder.files() == ["job.cfg", "model.onnx"])
  }

  @Test func aFileOfFlagsAloneAsksForNoQuantization() throws {
    let folder = try TemporaryFolder(
      configuration: "[converter_param]\nsaveType=MINDIR_LITE\n")
    let outcome = try Program.run(paths + ["--configFile=job.cfg"], in: folder)
    #expect(outcome.status == 0, "\(outcome.error)")
    let inspection = try Program.run(["inspect", "result.ms"], in: folder)
    #expect(inspection.output.contains("quantized  nothing"))
  }

  @Test func theResultIsRunComparedAndReportedOn() throws {
    let folder = try TemporaryFolder(
      configuration: "[common_quant_param]\nquant_type=WEIGHT_QUANT\nbit_num=8\n"
        + "debug_info_save_path=out\n")
    let outcome = try Program.run(
      [
        "--modelFile=model.onnx", "--outputFile=result.ms", "--configFile=job.cfg",
        "--infer=true", "--minCosine=0.99",
      ], in: folder)
    #expect(outcome.status == 0, "\(outcome.error)")
    #expect(outcome.output.contains("cosine 0.99") || outcome.output.contains("cosine 1.00"))
    #expect(outcome.output.contains("ran        once on random input"))
    let report = try folder.text("out/round_0.csv")
    #expect(report.contains(",Conv2DFusion,"), "reports name the operators that were written")
    #expect(!report.contains(",Conv,"))
    #expect(!(try folder.files()).contains { $0.hasSuffix(".onnx") && $0 != "model.onnx" })
  }

  @Test func integersAtTheBordersNeedFullQuantization() throws {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    let outcome = try Program.run(
      paths + ["--configFile=job.cfg", "--inputDataType=INT8"], in: folder)
    #expect(outcome.status == 64)
    #expect(outcome.error.contains("--inputDataType=INT8 needs a .ms file"))
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
