import Foundation
import Testing

/// Weights in blocks, and ON_THE_FLY.
@Suite struct GroupSizeTests {
  private func configuration() throws -> String {
    let path = Fixtures.root + "/configs/on_the_fly_weight_quant.cfg"
    return try String(contentsOfFile: path, encoding: .utf8)
      .replacing("min_quant_weight_size=5000", with: "min_quant_weight_size=0")
  }

  @Test func theExampleConfigurationConverts() throws {
    let folder = try TemporaryFolder(model: Fixtures.model("transformer"))
    try folder.write("job.cfg", try configuration())
    let outcome = try Program.run(
      Fixtures.job + ["--minCosine=0.9", "--logFormat=json"], in: folder)
    #expect(outcome.status == 0, "\(outcome.error)")
    let result = try JSON.object(outcome.output)
    #expect(result["operatorSet"] as? Int == 21)
    let tensors = try #require(result["tensors"] as? [[String: Any]])
    let sizes = tensors.filter { $0["bits"] != nil }.map { $0["groupSize"] as? Int }
    #expect(sizes.count == 7)
    #expect(sizes.allSatisfy { $0 == 32 })
  }

  @Test func blocksAreMorePreciseThanChannels() throws {
    func ratio(_ group: String) throws -> Double {
      let folder = try TemporaryFolder(model: Fixtures.model("transformer"))
      try folder.write(
        "job.cfg",
        Fixtures.weightQuantization + "bit_num=4\n[weight_quant_param]\n\(group)"
          + "weight_range_method=MAX_MIN\nweight_round_method=NEAREST\n")
      let outcome = try Program.run(Fixtures.job + ["--logFormat=json"], in: folder)
      let tensors = try #require(try JSON.object(outcome.output)["tensors"] as? [[String: Any]])
      let up = try #require(tensors.first { $0["tensor"] as? String == "down" })
      return try #require(up["sqnr"] as? Double)
    }
    #expect(try ratio("group_size=32\n") > ratio(""))
  }

  @Test func aFileForMindSporeIsRefused() throws {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    try folder.write("job.cfg", try configuration().replacing("bit_num=4", with: "bit_num=8"))
    let outcome = try Program.run(
      ["--modelFile=model.onnx", "--outputFile=result.ms", "--configFile=job.cfg"], in: folder)
    #expect(outcome.status == 69)
    #expect(outcome.error.contains("cannot do group_size=32 with a .ms file yet"))
  }

  @Test(arguments: [
    (4, [], ["Custom", "AddFusion", "MulFusion"]), (8, [], ["QuantDTypeCast", "MulFusion"]),
    (12, [], ["QuantDTypeCast", "MulFusion"]),
    (8, ["--optimize=ascend_oriented"], ["Cast", "AddFusion", "MulFusion"]),
  ])
  func nodesOfAMindSporeFileMakeWeightsFloat(
    bits: Int, flags: [String], operators: [String]
  ) throws {
    let folder = try TemporaryFolder(model: Fixtures.model("transformer"))
    try folder.write(
      "job.cfg",
      Fixtures.weightQuantization + "bit_num=\(bits)\nmin_quant_weight_channel=0\n"
        + "[weight_quant_param]\ndequant_strategy=ON_THE_FLY\nmax_segments=4\n")
    let outcome = try Program.run(
      [
        "--modelFile=model.onnx", "--outputFile=result.ms", "--configFile=job.cfg",
        "--minCosine=0.9",
      ] + flags, in: folder)
    #expect(outcome.status == 0, "\(outcome.error)")
    #expect(outcome.error.contains("GS4009") == (bits != 8))
    let inspection = try Program.run(["inspect", "result.ms", "--logFormat=json"], in: folder)
    let facts = try JSON.object(inspection.output)
    let counts = try #require(facts["operators"] as? [String: Int])
    #expect(operators.allSatisfy { (counts[$0] ?? 0) > 0 }, "\(counts)")
  }
}
