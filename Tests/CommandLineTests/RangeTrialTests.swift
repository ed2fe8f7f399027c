import Foundation
import Testing

/// AUTO's ranges have to prove themselves against MAX_MIN's.
@Suite struct RangeTrialTests {
  private func convert(
    _ method: String, device: String, in folder: TemporaryFolder
  ) throws -> [String: Any] {
    try folder.write(
      "job.cfg",
      """
      [common_quant_param]
      quant_type=FULL_QUANT
      \(Fixtures.digitSamples(20))
      [full_quant_param]
      activation_quant_method=\(method)
      \(device)
      """)
    let outcome = try Program.run(Fixtures.job + ["--logFormat=json"], in: folder)
    #expect(outcome.status == 0, "\(outcome.error)")
    return try JSON.object(outcome.output)
  }

  private func signalToNoise(_ result: [String: Any]) throws -> Double {
    let quality = try #require(result["quality"] as? [String: Any])
    return try #require((quality["outputs"] as? [[String: Any]])?.first?["sqnr"] as? Double)
  }

  @Test(arguments: ["", "target_device=DSP", "target_device=NVGPU"]) func theBetterRangesAreTaken(
    device: String
  ) throws {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    let whole = try convert("MAX_MIN", device: device, in: folder)
    let bytes = try folder.bytes("result.onnx")
    #expect(whole["ranges"] is NSNull)
    let auto = try convert("AUTO", device: device, in: folder)
    let ranges = try #require(auto["ranges"] as? [String: Any])
    let best = try [ranges["autoSqnr"], ranges["maxMinSqnr"]].map { try #require($0 as? Double) }
    #expect(abs(try signalToNoise(whole) - best[1]) < 1e-9)
    #expect(try signalToNoise(auto) == best.max())
    #expect((ranges["taken"] as? String == "MAX_MIN") == (best[1] > best[0]))
    #expect((try folder.bytes("result.onnx") == bytes) == (best[1] > best[0]))
  }
}
