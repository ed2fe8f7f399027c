import Testing

/// What a person reads after a conversion.
@Suite struct SummaryTests {
  private let fourBits =
    Fixtures.weightQuantization + """
      bit_num=4
      skip_quant_node=/logits/*
      [weight_quant_param]
      per_channel=false
      bias_correction=false
      weight_round_method=NEAREST

      """

  @Test func aConversionIsSummedUp() throws {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    let outcome = try Program.run(Fixtures.job, in: folder)
    #expect(outcome.status == 0)
    #expect(outcome.error == "")
    #expect(outcome.outputLines.last == "CONVERT RESULT SUCCESS:0")
    #expect(try folder.files() == ["job.cfg", "model.onnx", "result.onnx"])
    try Snapshot.check(outcome.output, "summary")
  }

  @Test func theSummaryFollowsTheConfiguration() throws {
    let folder = try TemporaryFolder(configuration: fourBits)
    let outcome = try Program.run(Fixtures.job, in: folder)
    #expect(outcome.status == 0)
    try Snapshot.check(outcome.output, "summary-4-bits")
  }

  @Test func aNodeWithTwoWeightsIsNamedOnceAmongTheWorst() throws {
    let folder = try TemporaryFolder(model: Fixtures.recurrentDigits)
    let outcome = try Program.run(Fixtures.job, in: folder)
    let worst = try #require(outcome.outputLines.first { $0.hasPrefix("worst ") })
    #expect(worst.ranges(of: "/lstm/LSTM ").count == 1)
    #expect(worst.contains("/logits/Gemm "))
  }

  @Test func longNamesAreWrapped() throws {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    let lines = try Program.run(Fixtures.job, in: folder).outputLines
    let first = try #require(lines.firstIndex { $0.hasPrefix("worst ") })
    let end = try #require(lines.firstIndex { $0.contains("to leave the first float") })
    #expect(end - first > 1)
    for line in lines[first..<end] { #expect(line.count <= 100) }
  }

  @Test func aRaisedOperatorSetIsTold() throws {
    let folder = try TemporaryFolder(model: Fixtures.model("opset09_ops"))
    let outcome = try Program.run(Fixtures.job, in: folder)
    #expect(outcome.status == 0)
    let wrote = try #require(outcome.outputLines.first { $0.hasPrefix("wrote ") })
    #expect(wrote.contains(#/operator set 9 -> \d+$/#))
  }

  @Test func theSizesAreThoseOfTheFiles() throws {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    let outcome = try Program.run(Fixtures.job, in: folder)
    let before = Double(try folder.bytes("model.onnx").count)
    let after = Double(try folder.bytes("result.onnx").count)
    let percent = Int((after / before * 100).rounded())
    let wrote = try #require(outcome.outputLines.first { $0.hasPrefix("wrote ") })
    let kilobytes = (after / 100).rounded() / 10
    #expect(wrote.contains("result.onnx   \(kilobytes) kB (\(percent) %)"))
  }

  @Test func quietLeavesTheLastLine() throws {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    let outcome = try Program.run(Fixtures.job + ["--quiet", "--optimize=none"], in: folder)
    #expect(outcome.status == 0)
    #expect(outcome.output == "CONVERT RESULT SUCCESS:0\n")
    #expect(outcome.error == "")
  }

  @Test func quietStillTellsAFailure() throws {
    let folder = try TemporaryFolder(configuration: "[common_quant_param]\nbit_num=8\n")
    let outcome = try Program.run(Fixtures.job + ["--quiet"], in: folder)
    #expect(outcome.status == 78)
    #expect(outcome.output == "CONVERT RESULT FAILED:78\n")
    #expect(outcome.error.contains("error[GS1009]"))
  }

  @Test func verboseListsEveryWeight() throws {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    let outcome = try Program.run(Fixtures.job + ["--verbose"], in: folder)
    #expect(outcome.status == 0)
    try Snapshot.check(outcome.output, "summary-verbose")
  }

  @Test func aDryRunShowsThePlanAndWritesNothing() throws {
    let folder = try TemporaryFolder(
      configuration: Fixtures.weightQuantization
        + "skip_quant_node=/mix/mix.0/Conv\ndebug_info_save_path=reports\n")
    let outcome = try Program.run(Fixtures.job + ["--dryRun"], in: folder)
    #expect(outcome.status == 0)
    #expect(outcome.error == "")
    #expect(try folder.files() == ["job.cfg", "model.onnx"])
    try Snapshot.check(outcome.output, "dry-run")
  }

  @Test func aDryRunForecastsTheSizeToTheByte() throws {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    let json = Fixtures.job + ["--logFormat=json"]
    let planned = try JSON.object(Program.run(json + ["--dryRun"], in: folder).output)
    #expect(try folder.files() == ["job.cfg", "model.onnx"])
    let done = try JSON.object(Program.run(json, in: folder).output)
    #expect(planned["outputBytes"] as? Int == done["outputBytes"] as? Int)
    #expect(done["outputBytes"] as? Int == (try folder.bytes("result.onnx").count))
  }

  /// Some samples are looked at, so that what the plan says of activations holds too.
  @Test(arguments: ["onnx", "ms"])
  func aDryRunForecastsFullQuantization(format: String) throws {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    try folder.writeImages(4, width: 28, height: 28)
    try folder.write(
      "job.cfg",
      """
      [common_quant_param]
      quant_type=FULL_QUANT
      [data_preprocess_param]
      calibrate_path=image:calib
      calibrate_size=4
      input_type=IMAGE
      image_to_format=GRAY
      normalize_mean=[0]
      normalize_std=[255]

      """)
    let job = ["--modelFile=model.onnx", "--outputFile=result.\(format)", "--configFile=job.cfg"]
    let json = job + ["--logFormat=json"]
    let planned = try JSON.object(Program.run(json + ["--dryRun"], in: folder).output)
    #expect(try folder.files().count { !$0.hasPrefix("calib") } == 2)
    let done = try JSON.object(Program.run(json, in: folder).output)
    let bytes = try [planned, done].map { try #require($0["outputBytes"] as? Int) }
    #expect(abs(bytes[0] - bytes[1]) * 100 <= bytes[1], "\(bytes)")
    let bits = try [planned, done].map { object in
      try #require(object["tensors"] as? [[String: Any]]).map { $0["bits"] as? Int }
    }
    #expect(bits[0] == bits[1] && bits[0].contains(8))
    #expect(try #require(planned["predictedPeakBytes"] as? Int) > bytes[0])
    let text = try Program.run(job + ["--dryRun"], in: folder)
    #expect(text.outputLines.contains { $0.contains("/hidden/Gemm") && !$0.contains("float") })
  }

  @Test func aDryRunLeavesAnOlderResultAlone() throws {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    try folder.write("result.onnx", "old")
    let outcome = try Program.run(Fixtures.job + ["--dryRun=true"], in: folder)
    #expect(outcome.status == 0)
    #expect(try folder.text("result.onnx") == "old")
  }

  @Test(arguments: [
    "transformer", "shared_weights", "functions", "external_data", "custom_domain_norun",
    "fp16_weights", "convolution_kinds", "edge_values",
  ])
  func aModelOfEveryKindIsConverted(name: String) throws {
    let folder = try TemporaryFolder(configuration: Fixtures.weightQuantization)
    let outcome = try Program.run(
      ["--modelFile=\(Fixtures.model(name))", "--outputFile=result.onnx", "--configFile=job.cfg"],
      in: folder)
    #expect(outcome.status == 0, "\(outcome.error)")
    #expect(outcome.outputLines.last == "CONVERT RESULT SUCCESS:0")
    let inspected = try Program.run(["inspect", "result.onnx"], in: folder)
    #expect(inspected.output.contains("constants behind DequantizeLinear"))
  }

  @Test func aSkippedNodeWhoseWeightsAnotherSharesIsToldOf() throws {
    func convert(_ skipped: String) throws -> Program.Outcome {
      let folder = try TemporaryFolder(
        configuration: Fixtures.weightQuantization + "skip_quant_node=\(skipped)\n")
      return try Program.run(
        [
          "--modelFile=\(Fixtures.model("shared_weights"))", "--outputFile=result.onnx",
          "--configFile=job.cfg",
        ], in: folder)
    }
    let one = try convert("second")
    #expect(one.status == 0)
    #expect(
      one.error.contains(
        "warning[GS4012]: the weights 'two_matmuls' of the skipped MatMul 'second' become integers")
    )
    #expect(one.error.contains("name 'first' in skip_quant_node as well"))
    let both = try convert("first,second")
    #expect(both.status == 0 && !both.error.contains("GS4012"))
  }
}
