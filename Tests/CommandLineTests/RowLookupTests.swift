import Foundation
import Testing

/// Tables whose rows are looked up as integers.
@Suite struct RowLookupTests {
  /// What `inspect --verbose` says of a quantized model.
  private func nodes(_ model: String, _ keys: String) throws -> String {
    let folder = try TemporaryFolder(model: Fixtures.model(model))
    try folder.write("job.cfg", Fixtures.weightQuantization + "bit_num=8\n" + keys)
    let outcome = try Program.run(
      Fixtures.job + ["--minCosine=0.9995", "--logFormat=json"], in: folder)
    #expect(outcome.status == 0, "\(outcome.error)")
    return try Program.run(["inspect", "--verbose", "result.onnx"], in: folder).output
  }

  @Test(arguments: ["true", "false"]) func onlyRowsThatAreLookedUpBecomeFloats(
    perChannel: String
  ) throws {
    let nodes = try nodes(
      "lookup_tables", "[weight_quant_param]\nbias_correction=false\nper_channel=\(perChannel)\n")
    #expect(nodes.contains("word_rows_Gather"))
    #expect(nodes.contains("kind_rows_Gather"))
    #expect(nodes.contains("word_scales_Gather") == (perChannel == "true"))
    #expect(!nodes.contains("kind_scales_Gather"), "two rows have scales along the row")
    #expect(!nodes.contains("words_DequantizeLinear"))
  }

  @Test func blocksBecomeFloatsAsAWhole() throws {
    let nodes = try nodes("transformer", "[weight_quant_param]\ngroup_size=32\n")
    #expect(!nodes.contains("embed_rows_Gather"))
    #expect(nodes.contains("embedding_DequantizeLinear"))
  }

  @Test func aTableThatAProductReadsTooBecomesFloatsOnce() throws {
    let nodes = try nodes("transformer", "")
    #expect(!nodes.contains("embed_rows_Gather"))
    #expect(nodes.contains("embedding_DequantizeLinear"))
  }
}
