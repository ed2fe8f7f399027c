import Testing

/// Models that are quantized already.
@Suite struct QuantizedInputTests {
  private static let keep = "[transform_quant_param]\n"
  private static let drop = "[transform_quant_param]\nexport_precision_mode=FLOAT32\n"

  private static func folder(_ model: String, _ configuration: String) throws -> TemporaryFolder {
    let folder = try TemporaryFolder(model: "\(Fixtures.root)/fixtures/quantized/\(model).onnx")
    try folder.write("job.cfg", configuration)
    return folder
  }

  private static func run(
    _ folder: TemporaryFolder, to output: String = "result.onnx", _ more: String...
  ) throws -> Program.Outcome {
    try Program.run(
      ["--modelFile=model.onnx", "--outputFile=\(output)", "--configFile=job.cfg"] + more,
      in: folder)
  }

  @Test(
    arguments: ["pairs", "signed", "trained", "written", "operators"], ["result.onnx", "result.ms"])
  func parametersAreKept(model: String, output: String) throws {
    let folder = try Self.folder(model, Self.keep)
    let outcome = try Self.run(folder, to: output, "--minCosine=0.9999")
    #expect(outcome.status == 0, "\(outcome.error)")
    #expect(outcome.error.isEmpty)
    #expect(outcome.output.contains("brought    quantized already, kept: "))
    let inspection = try Program.run(["inspect", output, "--logFormat=json"], in: folder)
    #expect(inspection.status == 0)
    #expect(inspection.output.contains("\"type\":\"int8\"") || model == "signed")
    #expect(!inspection.output.contains("QLinear"))
  }

  /// The same integers run, whichever operators said so.
  @Test func fakeQuantizationMayBeWrittenOut() throws {
    func result(_ model: String) throws -> (numbers: [UInt8], operators: [String: Int]) {
      let folder = try Self.folder(model, Self.keep)
      let outcome = try Self.run(folder)
      #expect(outcome.status == 0, "\(outcome.error)")
      let picture = (0..<128).map { Float($0 % 23) / 12 - 0.9 }
      try folder.write("image.bin", picture.flatMap { withUnsafeBytes(of: $0, Array.init) })
      let run = try Program.run(
        [
          "run", "result.onnx", "--input=image=image.bin", "--inputShape=image:1,2,8,8",
          "--outputDir=out",
        ], in: folder)
      #expect(run.status == 0, "\(run.error)")
      let inspection = try Program.run(["inspect", "result.onnx", "--logFormat=json"], in: folder)
      return (
        try folder.bytes("out/scores.npy"),
        try JSON.object(inspection.output)["operators"] as? [String: Int] ?? [:]
      )
    }
    let (pairs, written) = (try result("trained"), try result("written"))
    #expect(pairs.numbers == written.numbers)
    #expect(pairs.operators == written.operators)
    #expect(written.operators["Round"] == nil && written.operators["DequantizeLinear"] != nil)
  }

  @Test func aSecondConversionChangesNothing() throws {
    let folder = try Self.folder("pairs", Self.keep)
    #expect(try Self.run(folder).status == 0)
    let first = try folder.bytes("result.onnx")
    try folder.write("model.onnx", first)
    #expect(try Self.run(folder, to: "again.onnx").status == 0)
    let outcome = try Self.run(folder, to: "third.onnx", "--minCosine=1.0")
    #expect(outcome.status == 0, "\(outcome.error)")
  }

  @Test(arguments: ["result.onnx", "result.ms"])
  func parametersAreDropped(output: String) throws {
    let folder = try Self.folder("operators", Self.drop)
    let outcome = try Self.run(folder, to: output, "--minCosine=0.99")
    #expect(outcome.status == 0, "\(outcome.error)")
    #expect(outcome.output.contains("brought    quantized already, dropped: "))
    let inspection = try Program.run(["inspect", output, "--logFormat=json"], in: folder)
    #expect(!inspection.output.contains("QuantizeLinear"))
    #expect(!inspection.output.contains("\"type\":\"int8\""))
  }

  @Test func aMSFileNeedsNoConfiguration() throws {
    let folder = try Self.folder("pairs", "")
    let outcome = try Program.run(
      ["--modelFile=model.onnx", "--outputFile=result.ms", "--quiet"], in: folder)
    #expect(outcome.status == 0, "\(outcome.error)")
    let inspection = try Program.run(["inspect", "result.ms", "--logFormat=json"], in: folder)
    #expect(inspection.output.contains("\"type\":\"int8\""))
  }

  @Test func weightsAreNotQuantizedTwice() throws {
    let folder = try Self.folder("pairs", Fixtures.weightQuantization)
    let outcome = try Self.run(folder, "--minCosine=0.9999")
    #expect(outcome.status == 0, "\(outcome.error)")
    #expect(
      outcome.errorLines.first
        == "warning[GS4010]: constants that are quantized already stay as they are: 6")
    #expect(outcome.output.contains("quantized already        3     8"))
  }

  @Test func droppedWeightsAreQuantizedAnew() throws {
    let folder = try Self.folder(
      "trained", Fixtures.weightQuantization + "min_quant_weight_channel=0\n" + Self.drop)
    let outcome = try Self.run(folder)
    #expect(outcome.status == 0, "\(outcome.error)")
    #expect(!outcome.output.contains("already quantized,"))
    #expect(outcome.output.contains("Conv weights"))
  }

  private static func full(_ more: String) -> String {
    "[common_quant_param]\nquant_type=FULL_QUANT\n[data_preprocess_param]\n"
      + "calibrate_path=image:samples\ncalibrate_size=2\ninput_type=BIN\n" + more
  }

  private static func fullFolder(_ more: String) throws -> TemporaryFolder {
    let folder = try folder("pairs", full(more))
    try folder.makeFolder("samples")
    for sample in 0..<2 {
      let numbers = (0..<128).map { Float(($0 * 37 + sample * 11) % 128) / 64 - 1 }
      try folder.write(
        "samples/\(sample).bin",
        numbers.flatMap { number in
          withUnsafeBytes(of: number.bitPattern.littleEndian, Array.init)
        })
    }
    return folder
  }

  @Test func calibratingAgainIsRefused() throws {
    let folder = try Self.fullFolder("")
    let outcome = try Self.run(folder)
    #expect(outcome.status == 65)
    #expect(outcome.output == "CONVERT RESULT FAILED:65\n")
    #expect(
      outcome.errorLines.first == "error[GS4010]: the model 'model.onnx' is quantized already")
    #expect(outcome.errorLines.count { $0.hasPrefix("error") } == 1)
    #expect(!(try folder.files()).contains("result.onnx"))
  }

  @Test(arguments: ["result.onnx", "result.ms"])
  func fullQuantizationKeepsWhatItIsAskedToKeep(output: String) throws {
    let folder = try Self.fullFolder(Self.keep + "export_precision_mode=QUANT\n")
    let outcome = try Self.run(folder, to: output, "--minCosine=0.9999")
    #expect(outcome.status == 0, "\(outcome.error)")
    #expect(outcome.errorLines.first?.contains("nothing is calibrated") == true)
  }

  @Test(arguments: ["result.onnx", "result.ms"], ["MAX_MIN", "AUTO"])
  func fullQuantizationStartsAnew(output: String, method: String) throws {
    let folder = try Self.fullFolder(
      Self.drop + "[full_quant_param]\nactivation_quant_method=\(method)\n")
    let outcome = try Self.run(folder, to: output, "--minCosine=0.95")
    #expect(outcome.status == 0, "\(outcome.error)")
    #expect(outcome.output.contains("brought    quantized already, dropped: "))
  }

  @Test func aComputedScaleStays() throws {
    let folder = try Self.folder("dynamic", Self.keep)
    let outcome = try Self.run(folder, "--minCosine=0.9999")
    #expect(outcome.status == 0, "\(outcome.error)")
    #expect(
      outcome.error.contains(
        "'first_result_integers_node' (QuantizeLinear): its scale is no float32"))
    let refused = try Self.run(folder, to: "result.ms", "--quiet")
    #expect(refused.status == 69)
    #expect(refused.error.contains("has no form in a .ms file"))
    #expect(!(try folder.files()).contains("result.ms"))
  }

  @Test func productsThatQuantizeWhileTheyRunKeepTheirWeights() throws {
    let folder = try Self.folder("running", Self.keep)
    #expect(try Self.run(folder, "--minCosine=0.9999").status == 0)
    let outcome = try Self.run(folder, to: "result.ms", "--minCosine=0.999")
    #expect(outcome.status == 0, "\(outcome.error)")
    #expect(
      outcome.errorLines.first
        == "warning[GS4010]: products that quantize their input while they run get floats: 2")
    let inspection = try Program.run(["inspect", "result.ms", "--logFormat=json"], in: folder)
    #expect(inspection.output.contains("\"type\":\"int8\""))
    try folder.write("job.cfg", Self.drop)
    #expect(try Self.run(folder, "--minCosine=0.999").status == 0)
    let float = try Program.run(["inspect", "result.onnx", "--logFormat=json"], in: folder)
    #expect(!float.output.contains("Integer"))
  }

  @Test func aFloatModelBringsNothing() throws {
    let folder = try TemporaryFolder(configuration: Self.keep)
    let outcome = try Program.run(Fixtures.job, in: folder)
    #expect(outcome.status == 65)
    #expect(outcome.error.contains("'model.onnx' brings no quantization along"))
  }
}
