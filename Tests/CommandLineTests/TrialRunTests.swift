import Testing

/// `--infer`: the written model is run once.
@Suite struct TrialRunTests {
  @Test func theResultIsRunAndTold() throws {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    let outcome = try Program.run(Fixtures.job + ["--infer=true"], in: folder)
    #expect(outcome.status == 0, "\(outcome.error)")
    let line = try #require(outcome.outputLines.first { $0.hasPrefix("ran ") })
    #expect(
      Snapshot.withPlaceholders(line)
        == "ran        once on random input in <time> ms,  prepared in <time> ms:  "
        + "logits float32[1,10]")
    #expect(outcome.outputLines.last == "CONVERT RESULT SUCCESS:0")
  }

  @Test func shapesCanBeGiven() throws {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    let outcome = try Program.run(
      Fixtures.job + ["--infer=true", "--inputShape=image:5,1,28,28", "--logFormat=json"],
      in: folder)
    #expect(outcome.status == 0, "\(outcome.error)")
    let trial = try #require(try JSON.object(outcome.output)["trialRun"] as? [String: Any])
    #expect(Set(trial.keys) == ["preparationSeconds", "seconds", "inputs", "outputs"])
    #expect(try #require(trial["seconds"] as? Double) > 0)
    let outputs = try #require(trial["outputs"] as? [[String: Any]])
    #expect(outputs.map { $0["shape"] as? [Int] } == [[5, 10]])
    #expect(outputs.map { $0["name"] as? String } == ["logits"])
  }

  @Test(arguments: ["other:1", "image:1,1,28,29", "image:1,1,28"])
  func aWrongShapeStopsBeforeAnythingIsWritten(shape: String) throws {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    let outcome = try Program.run(
      Fixtures.job + ["--infer=true", "--inputShape=\(shape)"], in: folder)
    #expect(outcome.status == 64)
    #expect(outcome.error.contains("--inputShape"))
    #expect(try folder.files() == ["job.cfg", "model.onnx"])
  }

  @Test func aResultThatDoesNotRunFails() throws {
    let folder = try TemporaryFolder(configuration: Fixtures.weightQuantization)
    let outcome = try Program.run(
      [
        "--modelFile=\(Fixtures.model("custom_domain_norun"))", "--outputFile=result.onnx",
        "--configFile=job.cfg", "--infer=true",
      ], in: folder)
    #expect(outcome.status == 69)
    #expect(outcome.output.hasSuffix("CONVERT RESULT FAILED:69\n"))
    #expect(
      outcome.errorLines[0].hasPrefix(
        "error[GS6001]: the result 'result.onnx' is written but does not run: the node "))
    #expect(try folder.files().contains("result.onnx"))
  }

  @Test func aDryRunRunsNothing() throws {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    let outcome = try Program.run(Fixtures.job + ["--infer=true", "--dryRun"], in: folder)
    #expect(outcome.status == 0)
    #expect(!outcome.output.contains("\nran "))
  }

  @Test(arguments: [
    "transformer", "shared_weights", "external_data", "fp16_weights", "convolution_kinds",
    "edge_values", "opset11_ops", "opset18_ops", "constant_kinds",
  ])
  func resultsOfEveryKindRun(name: String) throws {
    let folder = try TemporaryFolder(configuration: Fixtures.weightQuantization)
    let outcome = try Program.run(
      [
        "--modelFile=\(Fixtures.model(name))", "--outputFile=result.onnx", "--configFile=job.cfg",
        "--infer=true",
      ], in: folder)
    #expect(outcome.status == 0, "\(outcome.error)")
    #expect(outcome.output.contains("\nran "))
  }
}
