import Foundation
import Testing

/// `runtime_operators=true`: onnxruntime's operators for weights in blocks.
@Suite struct RuntimeOperatorTests {
  private func outcome(
    _ bits: Int, _ keys: String, in folder: borrowing TemporaryFolder
  ) throws -> Program.Outcome {
    try folder.write(
      "job.cfg",
      Fixtures.weightQuantization + "bit_num=\(bits)\n[weight_quant_param]\n" + keys)
    return try Program.run(Fixtures.job + ["--minCosine=0.9", "--logFormat=json"], in: folder)
  }

  /// Both forms hold the same integers; sums differ in their order.
  @Test(arguments: [4, 8]) func resultsAreThoseOfDequantizedWeights(bits: Int) throws {
    let folder = try TemporaryFolder(model: Fixtures.model("transformer"))
    let ids = (0..<20).map { Int64($0 * 3) }.withUnsafeBytes { Data($0) }
    try ids.write(to: URL(fileURLWithPath: folder.path + "/ids.bin"))
    func result() throws -> [Float] {
      let run = try Program.run(
        ["run", "result.onnx", "--input=ids=ids.bin", "--inputShape=ids:2,10", "--outputDir=out"],
        in: folder)
      #expect(run.status == 0, "\(run.error)")
      let file = try Data(contentsOf: URL(fileURLWithPath: folder.path + "/out/logits.npy"))
      return file.suffix(20 * 64 * 4).withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    }
    #expect(try outcome(bits, "group_size=32\n", in: folder).status == 0)
    let plain = try result()
    #expect(try outcome(bits, "group_size=32\nruntime_operators=true\n", in: folder).status == 0)
    let nodes = try Program.run(["inspect", "--verbose", "result.onnx"], in: folder).output
    #expect(nodes.contains("MatMulNBits"))
    let own = try result()
    #expect(plain.contains { abs($0) > 0.1 })
    #expect(zip(plain, own).allSatisfy { abs($0 - $1) < 1e-5 })
  }

  @Test(arguments: [(4, true), (8, false)]) func tablesHaveAnOperatorForFourBits(
    bits: Int, isReplaced: Bool
  ) throws {
    let folder = try TemporaryFolder(model: Fixtures.model("lookup_tables"))
    let outcome = try outcome(bits, "group_size=32\nruntime_operators=true\n", in: folder)
    #expect(outcome.status == 0, "\(outcome.error)")
    let nodes = try Program.run(["inspect", "--verbose", "result.onnx"], in: folder).output
    #expect(nodes.contains("GatherBlockQuantized") == isReplaced)
  }

  @Test func blocksHaveToBeAskedFor() throws {
    let folder = try TemporaryFolder(model: Fixtures.model("lookup_tables"))
    let outcome = try outcome(4, "runtime_operators=true\n", in: folder)
    #expect(outcome.status == 78)
    #expect(outcome.error.contains("runtime_operators=true needs group_size"))
  }

  @Test func sixteenBitsAreRefused() throws {
    let folder = try TemporaryFolder(model: Fixtures.model("lookup_tables"))
    let outcome = try outcome(16, "group_size=32\nruntime_operators=true\n", in: folder)
    #expect(outcome.status == 78)
    #expect(outcome.error.contains("needs bit_num up to 8, not 16"))
  }
}
