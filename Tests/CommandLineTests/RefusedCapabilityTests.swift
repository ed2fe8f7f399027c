import Testing

/// What this version can't do it refuses, by name, and writes nothing.
@Suite struct RefusedCapabilityTests {
  @Test(arguments: [
    "device=GPU", "encryption=true", "saveType=MINDIR",
    "trainModel=true", "optimizeTransformer=true", "optimize=gpu_oriented",
    "outputDataFormat=NCHW", "inputDataType=UINT8", "outputDataType=FLOAT16",
    "decryptMode=AES-CBC", "fmk=TFLITE", "fmk=CAFFE", "fmk=MINDIR",
  ])
  func aFlagIsRefused(flag: String) throws {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    let paths = ["--modelFile=model.onnx", "--configFile=job.cfg"]
    let output = flag.hasPrefix("saveType") ? "result" : "result.onnx"
    let outcome = try Program.run(
      paths + ["--outputFile=\(output)", "--" + flag], in: folder)
    #expect(outcome.status == 69)
    #expect(outcome.output == "CONVERT RESULT FAILED:69\n")
    #expect(outcome.errorLines.first == "error[GS0003]: this version cannot do --\(flag) yet")
    #expect(outcome.errorLines.dropFirst().first?.hasPrefix("  = it needs ") == true)
    #expect(try folder.files() == ["job.cfg", "model.onnx"])
  }

  @Test(arguments: ["encryptKey", "decryptKey"])
  func aSecretIsRefusedWithoutBeingShown(flag: String) throws {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    let key = "30313233343637383939414243444546"
    let outcome = try Program.run(Fixtures.job + ["--\(flag)=\(key)"], in: folder)
    #expect(outcome.status == 69)
    #expect(outcome.error.contains("this version cannot do --\(flag) yet"))
    #expect(!(outcome.error + outcome.output).contains(key))
  }

  @Test func aFlagInTheFileIsRefusedInItsPlace() throws {
    let folder = try TemporaryFolder(
      configuration: Fixtures.weightQuantization + "[converter_param]\ntrainModel=true\n")
    let outcome = try Program.run(Fixtures.job, in: folder)
    #expect(outcome.status == 69)
    try Snapshot.check(outcome.error, "refused-flag-in-file")
  }

  @Test(arguments: [
    ("[ptq_param]\nweight_quant_dtype=int8\n", "[ptq_param]"),
    (Fixtures.weightQuantization + "[awq_param]\n", "[awq_param]"),
  ])
  func aConfigurationIsRefused(text: String, name: String) throws {
    let folder = try TemporaryFolder(configuration: text)
    let outcome = try Program.run(Fixtures.job, in: folder)
    #expect(outcome.status == 69)
    #expect(outcome.output == "CONVERT RESULT FAILED:69\n")
    #expect(outcome.errorLines.first?.hasPrefix("error[GS1016]: ") == true)
    #expect(outcome.errorLines.first?.contains(name) == true)
    #expect(outcome.error.contains(" --> job.cfg:"))
    #expect(try folder.files() == ["job.cfg", "model.onnx"])
  }

  @Test(arguments: [
    ("TFL3", "a TFLite model"), ("MSL1", "a MindSpore Lite model"),
  ])
  func anotherFormatIsRefused(identifier: String, name: String) throws {
    let folder = try TemporaryFolder(configuration: Fixtures.weightQuantization)
    try folder.write(
      "model.onnx", [28, 0, 0, 0] + Array(identifier.utf8) + Array(repeating: 0, count: 64))
    let outcome = try Program.run(Fixtures.job, in: folder)
    #expect(outcome.status == 69)
    #expect(outcome.error.contains("'model.onnx' is \(name), which this version does not read"))
  }
}
