import Foundation
import Testing

/// DYNAMIC_QUANT from the command line.
@Suite struct DynamicTests {
  private static let configuration =
    "[common_quant_param]\nquant_type=DYNAMIC_QUANT\n"

  private func convert(
    _ configuration: String = DynamicTests.configuration, _ flags: [String] = []
  ) throws -> (folder: TemporaryFolder, outcome: Program.Outcome) {
    let folder = try TemporaryFolder(model: Fixtures.model("transformer"))
    try folder.write("job.cfg", configuration)
    return (folder, try Program.run(Fixtures.job + flags, in: folder))
  }

  @Test func theExampleConfigurationConverts() throws {
    let path = Fixtures.root + "/configs/dynamic_quant.cfg"
    let text = try String(contentsOfFile: path, encoding: .utf8)
    let (_, outcome) = try convert(text, ["--minCosine=0.99"])
    #expect(outcome.status == 0, "\(outcome.error)")
    #expect(outcome.output.contains("DYNAMIC_QUANT 8 bit   ALWC: activations per tensor"))
    #expect(outcome.output.contains("integer    7 of 9 operators"))
    #expect(outcome.output.contains("2 x MatMul: multiplies two activations"))
  }

  @Test func theStrategiesDiffer() throws {
    func result(_ strategy: String) throws -> ([UInt8], String) {
      let keys = "[dynamic_quant_param]\nquant_strategy=\(strategy)\n"
      let (folder, outcome) = try convert(Self.configuration + keys, ["--minCosine=0.98"])
      #expect(outcome.status == 0, "\(outcome.error)")
      let inspection = try Program.run(["inspect", "result.onnx"], in: folder)
      return (try folder.bytes("result.onnx"), inspection.output)
    }
    let (tensors, rows) = (try result("ALWC"), try result("ACWL"))
    #expect(tensors.0 != rows.0)
    #expect(tensors.1.contains("DynamicQuantizeLinear"))
    #expect(!rows.1.contains("DynamicQuantizeLinear"))
    #expect(rows.1.contains("ReduceMax"))
  }

  @Test func reportsListWeightsAndResults() throws {
    let (folder, outcome) = try convert(
      Self.configuration + "debug_info_save_path=out\n", ["--logFormat=json"])
    #expect(outcome.status == 0, "\(outcome.error)")
    let result = try JSON.object(outcome.output)
    #expect(result["quantStrategy"] as? String == "ALWC")
    #expect(result["integerOperators"] as? Int == 7)
    #expect((result["floatOperators"] as? [Any])?.count == 2)
    let parameters = try folder.text("out/quant_param.csv")
    #expect(parameters.split(separator: "\n").count { $0.contains(",query,") } == 32)
    let rounds = try folder.text("out/round_0.csv")
    #expect(rounds.contains("query_matmul"))
    #expect(rounds.contains(",up,"))
    let summary = try folder.text("out/output_summary.csv")
    #expect(summary.contains("logits"))
  }

  @Test func aDryRunWritesNothing() throws {
    let (folder, outcome) = try convert(Self.configuration, ["--dryRun"])
    #expect(outcome.status == 0, "\(outcome.error)")
    #expect(try folder.files() == ["job.cfg", "model.onnx"])
  }

  @Test func aSkippedNodeStaysFloat() throws {
    let (_, outcome) = try convert(Self.configuration + "skip_quant_node=query_*\n")
    #expect(outcome.status == 0, "\(outcome.error)")
    #expect(outcome.output.contains("1 x MatMul: skip_quant_node=query_*"))
  }

  @Test func whatItCannotDoIsRefused() throws {
    let (folder, half) = try convert(Self.configuration, ["--fp16=on"])
    #expect([64, 69].contains(half.status))
    #expect(half.error.contains("--fp16=on cannot be combined with quant_type=DYNAMIC_QUANT"))
    try folder.write(
      "job.cfg", Self.configuration + "[dynamic_quant_param]\nquant_strategy=ACWC\n")
    let file = try Program.run(
      ["--modelFile=model.onnx", "--outputFile=result.ms", "--configFile=job.cfg"], in: folder)
    #expect(file.status == 69)
    #expect(file.error.contains("quant_strategy=ACWC has no form in a .ms file"))
    #expect(try folder.files() == ["job.cfg", "model.onnx"])
  }

  private static let convolutions = Fixtures.root + "/fixtures/digits/digits_cnn.onnx"
  private static let recurrence = Fixtures.root + "/fixtures/digits/digits_lstm.onnx"

  private func outcome(
    _ model: String, _ keys: String, in folder: borrowing TemporaryFolder, to result: String
  ) throws -> Program.Outcome {
    try folder.write("job.cfg", Self.configuration + "[dynamic_quant_param]\n" + keys)
    return try Program.run(
      ["--modelFile=" + model, "--outputFile=" + result, "--configFile=job.cfg"]
        + ["--minCosine=0.99", "--logFormat=json"], in: folder)
  }

  @Test(arguments: [
    (convolutions, "quantize_conv=true\n", "ConvInteger", "Conv"),
    (recurrence, "runtime_operators=true\n", "com.microsoft.DynamicQuantizeLSTM", "LSTM"),
  ]) func layersGetIntegersWhereAskedFor(
    model: String, key: String, made: String, kind: String
  ) throws {
    let folder = try TemporaryFolder()
    func nodes(_ keys: String) throws -> (operators: [String: Int], integers: Int) {
      let outcome = try outcome(model, keys, in: folder, to: "result.onnx")
      #expect(outcome.status == 0, "\(outcome.error)")
      let inspection = try Program.run(["inspect", "result.onnx", "--logFormat=json"], in: folder)
      let facts = try JSON.object(inspection.output)
      return (
        facts["operators"] as? [String: Int] ?? [:],
        try JSON.object(outcome.output)["integerOperators"] as? Int ?? 0
      )
    }
    let (plain, own) = (try nodes(""), try nodes(key))
    let count = plain.operators[kind] ?? 0
    #expect(count > 0 && plain.operators[made] == nil)
    #expect(own.operators[made] == count && own.operators[kind] == nil)
    #expect(own.integers == plain.integers + count)
    let file = try outcome(model, key, in: folder, to: "result.ms")
    #expect(file.status == 69)
    #expect(file.error.contains("=true has no form in a .ms file"))
  }

  @Test func aFileForMindSporeHasDynamicQuantNodes() throws {
    func result(_ strategy: String) throws -> (bytes: [UInt8], facts: [String: Any]) {
      let folder = try TemporaryFolder(model: Fixtures.model("transformer"))
      try folder.write(
        "job.cfg",
        Self.configuration + "debug_info_save_path=out\n"
          + "[dynamic_quant_param]\nquant_strategy=\(strategy)\n")
      let outcome = try Program.run(
        [
          "--modelFile=model.onnx", "--outputFile=result.ms", "--configFile=job.cfg",
          "--minCosine=0.98", "--infer=true",
        ], in: folder)
      #expect(outcome.status == 0, "\(outcome.error)")
      #expect(outcome.output.contains("integer    7 of 9 operators"))
      #expect(try folder.text("out/round_0.csv").contains("MatMulFusion"))
      let inspection = try Program.run(["inspect", "result.ms", "--logFormat=json"], in: folder)
      return (try folder.bytes("result.ms"), try JSON.object(inspection.output))
    }
    let (tensors, rows) = (try result("ALWC"), try result("ACWL"))
    #expect(tensors.bytes != rows.bytes)
    let counts = [tensors, rows].map { $0.facts["operators"] as? [String: Int] }
    #expect(counts.allSatisfy { ($0?["DynamicQuant"] ?? 0) > 0 })
    let parameters = [tensors, rows].map { $0.facts["quantizationParameters"] as? Int ?? 0 }
    #expect(parameters[0] > parameters[1], "one scale for all weights of an operator")
  }

  @Test func aModelWithoutSuchProductsIsAnError() throws {
    let folder = try TemporaryFolder(model: Fixtures.recurrentDigits)
    try folder.write("job.cfg", Self.configuration + "skip_quant_node=type:Gemm\n")
    let outcome = try Program.run(Fixtures.job, in: folder)
    #expect(outcome.status == 65)
    #expect(outcome.error.contains("would run in integers"))
  }
}
