import Foundation
import Testing

/// Tables whose rows are looked up as integers.
@Suite struct RowLookupTests {
  /// What `inspect --verbose` says of the transformer with quantized weights.
  private func nodes(_ keys: String) throws -> String {
    let folder = try TemporaryFolder(model: Fixtures.model("transformer"))
    try folder.write("job.cfg", Fixtures.weightQuantization + keys)
    let outcome = try Program.run(
      Fixtures.job + ["--minCosine=0.99", "--logFormat=json"], in: folder)
    #expect(outcome.status == 0, "\(outcome.error)")
    return try Program.run(["inspect", "--verbose", "result.onnx"], in: folder).output
  }

  @Test(arguments: ["true", "false"]) func onlyRowsThatAreLookedUpBecomeFloats(
    perChannel: String
  ) throws {
    let nodes = try nodes("bit_num=8\n[weight_quant_param]\nper_channel=\(perChannel)\n")
    #expect(nodes.contains("embed_rows_Gather"))
    #expect(nodes.contains("embed_scales_Gather") == (perChannel == "true"))
  }

  @Test func blocksBecomeFloatsAsAWhole() throws {
    let nodes = try nodes("bit_num=8\n[weight_quant_param]\ngroup_size=32\n")
    #expect(!nodes.contains("embed_rows_Gather"))
  }
}
