import Foundation
import Testing

/// The comparison of the float and the written model, and `--minCosine`.
@Suite struct QualityTests {
  private static func convert(_ flags: [String], bits: Int = 8) throws -> (
    folder: TemporaryFolder, outcome: Program.Outcome
  ) {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    try folder.write(
      "job.cfg", "[common_quant_param]\nquant_type=WEIGHT_QUANT\nbit_num=\(bits)\n")
    return (folder, try Program.run(Fixtures.job + flags, in: folder))
  }

  @Test func weightsAloneAreComparedOnlyOnDemand() throws {
    let without = try Self.convert([]).outcome
    #expect(!without.outputLines.contains { $0.hasPrefix("quality") })
    let with = try Self.convert(["--minCosine=0.9"]).outcome
    #expect(with.status == 0, "\(with.error)")
    #expect(with.outputLines.contains { $0.hasPrefix("quality    random input   cosine ") })
    #expect(with.outputLines.last == "CONVERT RESULT SUCCESS:0")
  }

  @Test func aWorseResultIsKeptAndTold() throws {
    let (folder, outcome) = try Self.convert(["--minCosine=0.9999999"], bits: 2)
    #expect(outcome.status == 2)
    #expect(outcome.error.contains("GS4006"))
    #expect(outcome.error.contains("logits"))
    #expect(outcome.outputLines.last == "CONVERT RESULT BELOW_MIN_COSINE:2")
    #expect(try folder.files().contains { $0.hasSuffix(".onnx") && $0 != "model.onnx" })
  }

  @Test func programsAreToldToo() throws {
    let (_, outcome) = try Self.convert(["--minCosine=1", "--logFormat=json"], bits: 2)
    #expect(outcome.status == 2)
    let result = try JSON.object(outcome.output)
    #expect(result["result"] as? String == "BELOW_MIN_COSINE")
    #expect(result["exitCode"] as? Int == 2)
    let quality = try #require(result["quality"] as? [String: Any])
    #expect(quality["basis"] as? String == "random input")
    let output = try #require((quality["outputs"] as? [[String: Any]])?.first)
    #expect(try #require(output["cosine"] as? Double) < 1)
  }

  @Test func wrongSamplesAreToldBeforeAnythingIsWritten() throws {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    try folder.write(
      "job.cfg",
      """
      [common_quant_param]
      quant_type=WEIGHT_QUANT
      [data_preprocess_param]
      calibrate_path=image:samples
      calibrate_size=1
      input_type=BIN

      """)
    try folder.makeFolder("samples")
    try folder.write("samples/0.bin", "short")
    let outcome = try Program.run(Fixtures.job, in: folder)
    #expect(outcome.status == 65, "\(outcome.error)")
    #expect(outcome.error.contains("0.bin"))
    #expect(try !folder.files().contains { $0.hasSuffix(".onnx") && $0 != "model.onnx" })
  }

  @Test func aModelThatDoesNotRunFailsOnlyWhereACosineIsAsked() throws {
    let flags = [
      "--modelFile=\(Fixtures.model("custom_domain_norun"))", "--outputFile=result.onnx",
      "--configFile=job.cfg",
    ]
    let folder = try TemporaryFolder(configuration: Fixtures.weightQuantization)
    #expect(try Program.run(flags, in: folder).status == 0)
    let outcome = try Program.run(flags + ["--minCosine=0.5"], in: folder)
    #expect(outcome.status != 0 && outcome.status != 2, "\(outcome.error)")
    #expect(outcome.outputLines.last?.hasPrefix("CONVERT RESULT FAILED") == true)
  }

  @Test(arguments: ["1.5", "-2", "much", "nan"]) func noCosine(text: String) throws {
    let (folder, outcome) = try Self.convert(["--minCosine=\(text)"])
    #expect(outcome.status == 64)
    #expect(outcome.error.contains("minCosine"))
    #expect(try folder.files() == ["job.cfg", "model.onnx"])
  }

  @Test func theShareOfMultiplyAddsIsTold() throws {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    try folder.write(
      "job.cfg",
      """
      [common_quant_param]
      quant_type=FULL_QUANT
      skip_quant_node=*Gemm*
      \(Fixtures.digitSamples(3))

      """)
    let outcome = try Program.run(Fixtures.job + ["--logFormat=json"], in: folder)
    try #require(outcome.status == 0, "\(outcome.error)")
    let share = try #require(try JSON.object(outcome.output)["integerShare"] as? Double)
    #expect(share > 0.9 && share < 1)
  }
}
