import Testing

/// `skip_quant_node`, which is checked against the model.
@Suite struct SkippedNodeTests {
  @Test func aPatternWithoutNodeIsShownInItsPlace() throws {
    let folder = try TemporaryFolder(
      configuration: Fixtures.weightQuantization + "skip_quant_node=/mix/*, /hiden/Gemm, zzz\n")
    let outcome = try Program.run(Fixtures.job, in: folder)
    #expect(outcome.status == 78)
    #expect(outcome.output == "CONVERT RESULT FAILED:78\n")
    #expect(outcome.error.contains("--> job.cfg:3:25\n"))
    #expect(outcome.error.contains("did you mean '/hidden/Gemm'?"))
    #expect(try folder.files() == ["job.cfg", "model.onnx"])
    try Snapshot.check(outcome.error, "unmatched-nodes")
  }

  @Test func theAdviceOfTheDiagnosticWorks() throws {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    let outcome = try Program.run(["inspect", "--verbose", "model.onnx"], in: folder)
    #expect(outcome.status == 0)
    #expect(outcome.outputLines.contains { $0.hasPrefix("/hidden/Gemm ") })
  }

  @Test func aSkippedNodeStaysFloat() throws {
    let folder = try TemporaryFolder(
      configuration: Fixtures.weightQuantization + "skip_quant_node=/hidden/*,/logits/Gem?\n")
    let outcome = try Program.run(Fixtures.job, in: folder)
    #expect(outcome.status == 0)
    #expect(!outcome.output.contains("Gemm weights"))
    #expect(outcome.output.contains("skip_quant_node=/hidden/*"))
  }

  @Test func theAdviceOfTheSummaryWorks() throws {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    let first = try Program.run(Fixtures.job, in: folder)
    let advice = try #require(first.output.firstMatch(of: #/skip_quant_node=(\S+)/#)?.1)
    try folder.write("job.cfg", Fixtures.weightQuantization + "skip_quant_node=\(advice)\n")
    let second = try Program.run(Fixtures.job, in: folder)
    #expect(second.status == 0)
    let worst = try #require(second.outputLines.first { $0.hasPrefix("worst ") })
    #expect(!worst.contains(advice))
  }

  @Test func skippingEverythingLeavesNothingToDo() throws {
    let folder = try TemporaryFolder(
      configuration: Fixtures.weightQuantization + "skip_quant_node=*\n")
    let outcome = try Program.run(Fixtures.job, in: folder)
    #expect(outcome.status == 65)
    #expect(outcome.error.hasPrefix("error[GS4002]: no weight of 'model.onnx' would be quantized"))
  }
}
