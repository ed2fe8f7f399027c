import Foundation
import Testing

/// Weights rounded on samples beside integer activations.
@Suite struct FullRoundingTests {
  private func convert(_ strategy: String, in folder: TemporaryFolder) throws -> [String: Any] {
    try folder.write(
      "job.cfg",
      """
      [common_quant_param]
      quant_type=FULL_QUANT
      [weight_quant_param]
      quant_strategy=\(strategy)
      \(Fixtures.digitSamples(20))

      """)
    let outcome = try Program.run(Fixtures.job + ["--logFormat=json"], in: folder)
    #expect(outcome.status == 0, "\(outcome.error)")
    #expect(!outcome.error.contains("warning"), "\(outcome.error)")
    return try JSON.object(outcome.output)
  }

  @Test func theKeyChangesIntegersAndNothingElse() throws {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    let plain = try convert("MAX_MIN", in: folder)
    let bytes = try folder.bytes("result.onnx")
    let sampled = try convert("GPTQ", in: folder)
    let others = try folder.bytes("result.onnx")
    #expect(bytes != others)
    #expect(bytes.count == others.count)
    #expect(plain["integerShare"] as? Double == sampled["integerShare"] as? Double)
    #expect(sampled["warnings"] as? Int == 0)
  }
}
