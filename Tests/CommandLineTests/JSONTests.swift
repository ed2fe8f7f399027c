import Testing

/// What a program reads: `--logFormat=json`.
@Suite struct JSONTests {
  private let json = Fixtures.job + ["--logFormat=json"]

  @Test func theResultIsOneObject() throws {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    let outcome = try Program.run(json, in: folder)
    #expect(outcome.status == 0)
    #expect(outcome.error == "")
    let result = try JSON.object(outcome.output)
    #expect(
      Set(result.keys) == [
        "result", "exitCode", "dryRun", "model", "modelBytes", "outputBytes", "files",
        "operatorSet", "operatorSetBefore", "predictedPeakBytes", "peakBytes", "seconds",
        "warnings", "quantType", "bitNum", "tensors",
      ])
    #expect(result["result"] as? String == "SUCCESS")
    #expect(result["exitCode"] as? Int == 0)
    #expect(result["files"] as? [String] == ["result.onnx"])
    #expect(result["modelBytes"] as? Int == (try folder.bytes("model.onnx").count))
    try Snapshot.check(outcome.output, "result-json")
  }

  @Test func everyWeightIsInTheResult() throws {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    let result = try JSON.object(Program.run(json, in: folder).output)
    let tensors = try #require(result["tensors"] as? [[String: Any]])
    #expect(tensors.count == 14)
    let quantized = tensors.filter { $0["staysFloat"] == nil }
    #expect(!quantized.isEmpty && quantized.count < 14)
    for tensor in quantized {
      #expect(
        Set(tensor.keys) == [
          "node", "operator", "tensor", "dims", "bytesBefore", "bytesAfter", "bits", "storedAs",
          "axis", "range", "round", "sqnr",
        ])
    }
    for tensor in tensors where tensor["staysFloat"] != nil {
      #expect(tensor["bytesBefore"] as? Int == tensor["bytesAfter"] as? Int)
    }
  }

  @Test(arguments: [["--logFormat=json"], ["--logFormat", "json"], ["--logFormat=JSON"]])
  func everySpellingMeansTheSame(flag: [String]) throws {
    let folder = try TemporaryFolder(configuration: Fixtures.weightQuantization)
    let outcome = try Program.run(
      ["--modelFile=missing.onnx", "--outputFile=x.onnx", "--configFile=job.cfg"] + flag,
      in: folder)
    #expect(outcome.status == 66)
    #expect(try JSON.object(outcome.output)["exitCode"] as? Int == 66)
    let event = try JSON.object(outcome.error)
    #expect(event["event"] as? String == "diagnostic")
    #expect(event["severity"] as? String == "error")
    #expect(event["code"] as? String == "GS2001")
  }

  @Test func theFileCanAskForIt() throws {
    let folder = try TemporaryFolder(
      configuration: Fixtures.weightQuantization + "[converter_param]\nlogFormat=json\n")
    let failed = try Program.run(
      ["--modelFile=missing.onnx", "--outputFile=x.onnx", "--configFile=job.cfg"], in: folder)
    #expect(failed.status == 66)
    #expect(try JSON.object(failed.output)["result"] as? String == "FAILED")
    #expect(try JSON.object(failed.error)["code"] as? String == "GS2001")
    let done = try Program.run(Fixtures.job, in: folder)
    #expect(try JSON.object(done.output)["result"] as? String == "SUCCESS")
  }

  @Test func everyProblemIsAnObjectOfItsOwn() throws {
    let folder = try TemporaryFolder(
      configuration: Fixtures.weightQuantization + "bit_num=99\nbit_nun=4\n[colours]\n")
    let outcome = try Program.run(json, in: folder)
    #expect(outcome.status == 78)
    let result = try JSON.object(outcome.output)
    let events = try JSON.objects(outcome.errorLines)
    #expect(events.count == 3)
    #expect(result["errors"] as? Int == 3)
    #expect(Set(result.keys) == ["result", "exitCode", "errors"])
    #expect(events.allSatisfy { $0["event"] as? String == "diagnostic" })
    try Snapshot.check(outcome.error, "problems-json")
  }

  @Test func aWarningIsAnObject() throws {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    let outcome = try Program.run(json + ["--optimize=none"], in: folder)
    #expect(outcome.status == 0)
    #expect(try JSON.object(outcome.error)["severity"] as? String == "warning")
    #expect(try JSON.object(outcome.output)["warnings"] as? Int == 1)
  }

  @Test(arguments: [["--logFormat=json"], ["--logFormat", "json"], ["--logFormat=JSON"]])
  func aWrongFlagIsAnObject(flag: [String]) throws {
    let outcome = try Program.run(["--colour=red"] + flag, in: TemporaryFolder())
    #expect(outcome.status == 64)
    #expect(try JSON.object(outcome.error)["code"] as? String == "GS0001")
    #expect(try JSON.object(outcome.output)["exitCode"] as? Int == 64)
  }

  @Test func anyNameBecomesValidJSON() throws {
    let folder = try TemporaryFolder(configuration: Fixtures.weightQuantization)
    let name = "a\"b\\c\n\u{1} é.onnx"
    let outcome = try Program.run(
      ["--modelFile=\(name)", "--outputFile=x.onnx", "--configFile=job.cfg", "--logFormat=json"],
      in: folder)
    #expect(outcome.status == 66)
    let message = try JSON.object(outcome.error)["message"] as? String
    #expect(message?.contains(name) == true)
  }
}
