import Foundation
import Testing

/// Weights rounded on samples beside integer activations.
@Suite struct FullRoundingTests {
  private func run(
    _ strategy: String, samples: Int = 20, _ flags: [String] = [], in folder: TemporaryFolder
  ) throws -> String {
    try folder.write(
      "job.cfg",
      """
      [common_quant_param]
      quant_type=FULL_QUANT
      [weight_quant_param]
      quant_strategy=\(strategy)
      \(Fixtures.digitSamples(samples))

      """)
    let outcome = try Program.run(Fixtures.job + flags, in: folder)
    #expect(outcome.status == 0, "\(outcome.error)")
    #expect(!outcome.error.contains("warning"), "\(outcome.error)")
    return outcome.output
  }

  private func convert(
    _ strategy: String, samples: Int = 20, in folder: TemporaryFolder
  ) throws -> [String: Any] {
    try JSON.object(run(strategy, samples: samples, ["--logFormat=json"], in: folder))
  }

  private func signalToNoise(_ result: [String: Any]) throws -> Double {
    let quality = try #require(result["quality"] as? [String: Any])
    return try #require((quality["outputs"] as? [[String: Any]])?.first?["sqnr"] as? Double)
  }

  /// With 20 samples rounding on them is better, with 30 it is worse.
  @Test(arguments: [(20, "GPTQ"), (30, "MAX_MIN")])
  func theBetterRoundingIsTaken(samples: Int, taken: String) throws {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    let plain = try convert("MAX_MIN", samples: samples, in: folder)
    let bytes = try folder.bytes("result.onnx")
    #expect(plain["rounding"] is NSNull)
    let sampled = try convert("GPTQ", samples: samples, in: folder)
    #expect((try folder.bytes("result.onnx") == bytes) == (taken == "MAX_MIN"))
    let rounding = try #require(sampled["rounding"] as? [String: Any])
    let ratios = try [rounding["gptqSqnr"], rounding["maxMinSqnr"]].map {
      try #require($0 as? Double)
    }
    #expect(rounding["taken"] as? String == taken)
    #expect((ratios[1] > ratios[0]) == (taken == "MAX_MIN"))
    #expect(try signalToNoise(plain) == ratios[1])
    #expect(try signalToNoise(sampled) == ratios.max())
    let summary = try run("GPTQ", samples: samples, in: folder)
    let texts = ratios.map { String(format: "%.1f dB", $0) }
    let line =
      taken == "GPTQ"
      ? "rounding   GPTQ: \(texts[0]), without samples \(texts[1])\n"
      : "rounding   without samples: \(texts[1]), with GPTQ \(texts[0])\n"
    #expect(summary.contains(line), "\(summary)")
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
