import Testing

/// Models that can't be converted.
@Suite struct ModelFileTests {
  private func convert(_ model: String, _ bytes: [UInt8]? = nil) throws -> Program.Outcome {
    let folder = try TemporaryFolder()
    try folder.write("job.cfg", Fixtures.weightQuantization)
    if let bytes { try folder.write(model, bytes) }
    let outcome = try Program.run(
      ["--modelFile=\(model)", "--outputFile=result.onnx", "--configFile=job.cfg"], in: folder)
    #expect(try folder.files() == (["job.cfg"] + (bytes == nil ? [] : [model])).sorted())
    #expect(outcome.output == "CONVERT RESULT FAILED:\(outcome.status)\n")
    return outcome
  }

  private static func digits() throws -> [UInt8] {
    try TemporaryFolder(model: Fixtures.digits).bytes("model.onnx")
  }

  @Test func aMissingModelIsTold() throws {
    let outcome = try convert("missing.onnx")
    #expect(outcome.status == 66)
    try Snapshot.check(outcome.error, "model-missing")
  }

  @Test func aFolderIsNoModel() throws {
    let outcome = try convert(".")
    #expect(outcome.status == 66)
    try Snapshot.check(outcome.error, "model-is-folder")
  }

  @Test func anEmptyFileIsNoModel() throws {
    let outcome = try convert("empty.onnx", [])
    #expect(outcome.status == 65)
    try Snapshot.check(outcome.error, "model-empty")
  }

  @Test func aTruncatedModelIsTold() throws {
    let outcome = try convert("truncated.onnx", Array(Self.digits().prefix(200_000)))
    #expect(outcome.status == 65)
    try Snapshot.check(outcome.error, "model-truncated")
  }

  @Test(arguments: [1, 7, 100, 5_000, 400_000, 504_644])
  func aModelCutAnywhereIsBadData(length: Int) throws {
    let outcome = try convert("cut.onnx", Array(Self.digits().prefix(length)))
    #expect(outcome.status == 65)
    #expect(outcome.error.contains("'cut.onnx' is not a"))
  }

  @Test func aPictureIsNoModel() throws {
    let header: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0, 0, 0, 13]
    let outcome = try convert("picture.png", header + Array("IHDR".utf8) + [0, 0, 0, 28, 0, 0])
    #expect(outcome.status == 65)
    try Snapshot.check(outcome.error, "model-is-picture")
  }

  @Test func anotherFormatIsTold() throws {
    let bytes = [28, 0, 0, 0] + Array("TFL3".utf8) + Array(repeating: UInt8(0), count: 32)
    let outcome = try convert("model.tflite", bytes)
    #expect(outcome.status == 69)
    try Snapshot.check(outcome.error, "model-is-tflite")
  }

  @Test func aMissingFileOfWeightsIsNamed() throws {
    let folder = try TemporaryFolder(model: Fixtures.model("external_data"))
    let outcome = try Program.run(Fixtures.job, in: folder)
    #expect(outcome.status == 66)
    #expect(outcome.error.contains("weights are in 'external_data.bin', which is not there"))
    #expect(try folder.files() == ["job.cfg", "model.onnx"])
  }

  @Test func aModelWithoutFittingWeightsIsTold() throws {
    let folder = try TemporaryFolder(
      configuration: Fixtures.weightQuantization + "min_quant_weight_size=65535\n")
    let outcome = try Program.run(Fixtures.job, in: folder)
    #expect(outcome.status == 65)
    #expect(outcome.output == "CONVERT RESULT FAILED:65\n")
    #expect(try folder.files() == ["job.cfg", "model.onnx"])
    try Snapshot.check(outcome.error, "nothing-to-quantize")
  }

  @Test func weightsThatAreNoNumbersAreNamed() throws {
    let folder = try TemporaryFolder(model: Fixtures.model("nonfinite_values"))
    let outcome = try Program.run(Fixtures.job, in: folder)
    #expect(outcome.status == 65)
    for name in ["nan_weight", "infinity_weight", "nan_channel_weight"] {
      #expect(outcome.error.contains("warning[GS4001]: the weights '\(name)' of MatMul"))
    }
    #expect(outcome.errorLines.filter { $0.hasPrefix("error[") }.count == 1)
  }

  @Test func oneWeightThatIsNoNumberIsAWarning() throws {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    try folder.write("model.onnx", Self.withNaN(in: "hidden.weight"))
    let outcome = try Program.run(Fixtures.job, in: folder)
    #expect(outcome.status == 0)
    #expect(outcome.outputLines.contains("warnings   1"))
    #expect(outcome.outputLines.last == "CONVERT RESULT SUCCESS:0")
    try Snapshot.check(outcome.error, "nan-weight")
  }

  /// The digit classifier with a NaN in one weight. In its file the tensor's bytes follow its name,
  /// after a field number and a length of three bytes.
  private static func withNaN(in tensor: String) throws -> [UInt8] {
    var bytes = try digits()
    let field = [0x42, UInt8(tensor.utf8.count)] + Array(tensor.utf8) + [0x4A]
    let start = try #require(bytes.firstRange(of: field)?.upperBound) + 3
    bytes.replaceSubrange(start..<start + 4, with: [0, 0, 0xC0, 0x7F])
    return bytes
  }
}
