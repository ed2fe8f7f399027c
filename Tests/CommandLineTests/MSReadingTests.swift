import Testing

/// Float `.ms` files as what is quantized.
@Suite struct MSReadingTests {
  /// A folder with the digit classifier as a float `.ms` file.
  private static func folder(_ configuration: String) throws -> TemporaryFolder {
    let folder = try TemporaryFolder(configuration: configuration)
    let made = try Program.run(["--modelFile=model.onnx", "--outputFile=float.ms"], in: folder)
    #expect(made.status == 0)
    return folder
  }

  private static let weights = "[common_quant_param]\nquant_type=WEIGHT_QUANT\n"
  private static let full =
    "[common_quant_param]\nquant_type=FULL_QUANT\n" + Fixtures.digitSamples(12)

  @Test(arguments: [["--fmk=MSLITE"], []]) func aFileBecomesONNXAsItIs(flags: [String]) throws {
    let folder = try Self.folder(Self.weights)
    let outcome = try Program.run(
      flags + ["--modelFile=float.ms", "--outputFile=again.onnx", "--infer=true"], in: folder)
    #expect(outcome.status == 0, "\(outcome.error)")
    let inspection = try Program.run(["inspect", "again.onnx"], in: folder)
    #expect(inspection.output.contains("image float32[?,28,28,1]"))
    #expect(inspection.output.contains("quantized  nothing"))
  }

  @Test(arguments: [
    (weights, "result.ms"), (weights, "result.onnx"), (weights + "bit_num=0\n", "result.ms"),
    (weights + "bit_num=4\n", "result.onnx"), (full, "result.ms"), (full, "result.onnx"),
    ("[common_quant_param]\nquant_type=DYNAMIC_QUANT\n", "result.ms"),
    ("[common_quant_param]\nquant_type=DYNAMIC_QUANT\n", "result.onnx"),
  ])
  func aFileIsQuantizedInEveryMode(configuration: String, output: String) throws {
    let folder = try Self.folder(configuration)
    let outcome = try Program.run(
      [
        "--fmk=MSLITE", "--modelFile=float.ms", "--outputFile=" + output, "--configFile=job.cfg",
        "--minCosine=0.95",
      ], in: folder)
    #expect(outcome.status == 0, "\(outcome.error)")
    let inspection = try Program.run(["inspect", output], in: folder)
    #expect(!inspection.output.contains("quantized  nothing"))
    #expect(inspection.output.contains("image float32[?,28,28,1]"))
  }

  @Test(arguments: ["", "bit_num=4\n", "bit_num=0\n"])
  func weightsOfAFileAreThoseOfItsModel(bits: String) throws {
    // What normalizations said of activations isn't in the file any more, and counts in SQUANT.
    let folder = try Self.folder(
      Self.weights + bits + "[weight_quant_param]\nweight_round_method=NEAREST\n")
    for (model, output) in [("float.ms", "a.ms"), ("model.onnx", "b.ms")] {
      let outcome = try Program.run(
        ["--modelFile=" + model, "--outputFile=" + output, "--configFile=job.cfg"], in: folder)
      #expect(outcome.status == 0, "\(outcome.error)")
    }
    #expect(try folder.bytes("a.ms") == folder.bytes("b.ms"))
  }

  @Test func skippedNodesHaveTheFilesNames() throws {
    let folder = try Self.folder(Self.weights + "skip_quant_node=/stem/stem.0/Conv\n")
    let outcome = try Program.run(
      ["--modelFile=float.ms", "--outputFile=result.onnx", "--configFile=job.cfg", "--verbose"],
      in: folder)
    #expect(outcome.status == 0, "\(outcome.error)")
    #expect(outcome.output.contains("skip_quant_node"))
  }

  @Test func aFileIsRun() throws {
    let folder = try Self.folder(Self.weights)
    try folder.write(
      "image.bin", (0..<784).flatMap { withUnsafeBytes(of: Float($0) / 784, Array.init) })
    let results = try ["model.onnx", "float.ms"].map { model in
      let outcome = try Program.run(
        [
          "run", model, "--input", "image=image.bin", "--inputShape",
          model == "float.ms" ? "image:1,28,28,1" : "image:1,1,28,28", "--outputDir",
          model + ".out",
        ], in: folder)
      #expect(outcome.status == 0, "\(outcome.error)")
      return try folder.bytes(model + ".out/logits.npy").dropFirst(128).map { $0 }
    }
    let numbers = results.map { bytes in
      stride(from: 0, to: bytes.count, by: 4).map { place in
        Float(bitPattern: (0..<4).reduce(0) { $0 | UInt32(bytes[place + $1]) << (8 * $1) })
      }
    }
    #expect(numbers[0].count == 10)
    for (a, b) in zip(numbers[0], numbers[1]) { #expect(abs(a - b) < 1e-3) }
  }

  @Test(arguments: [
    ("MSLITE", "model.onnx", "--fmk=MSLITE, and 'model.onnx' is no .ms file"),
    ("ONNX", "float.ms", "--fmk=ONNX, and 'float.ms' is a .ms file"),
  ])
  func whatIsSaidOfTheFormatHasToBeTrue(format: String, model: String, message: String) throws {
    let folder = try Self.folder(Self.weights)
    let outcome = try Program.run(
      ["--fmk=" + format, "--modelFile=" + model, "--outputFile=r.onnx", "--configFile=job.cfg"],
      in: folder)
    #expect(outcome.status == 64)
    #expect(outcome.errorLines.first == "error[GS0005]: " + message)
    #expect(try folder.files() == ["float.ms", "job.cfg", "model.onnx"])
  }

  @Test func aQuantizedFileIsRefused() throws {
    let folder = try Self.folder(Self.weights)
    let flags = ["--outputFile=w8.ms", "--configFile=job.cfg"]
    #expect(try Program.run(["--modelFile=float.ms"] + flags, in: folder).status == 0)
    let outcome = try Program.run(
      ["--modelFile=w8.ms", "--outputFile=again.ms", "--configFile=job.cfg"], in: folder)
    #expect(outcome.status == 65)
    #expect(outcome.errorLines.first == "error[GS4010]: the model 'w8.ms' is quantized already")
    #expect(try folder.files() == ["float.ms", "job.cfg", "model.onnx", "w8.ms"])
  }

  @Test func aDamagedFileIsRefused() throws {
    let folder = try Self.folder(Self.weights)
    var bytes = try folder.bytes("float.ms")
    bytes.removeLast(bytes.count / 2)
    try folder.write("half.ms", bytes)
    let outcome = try Program.run(
      ["--modelFile=half.ms", "--outputFile=r.ms", "--configFile=job.cfg"], in: folder)
    #expect(outcome.status == 65)
    #expect(outcome.errorLines.first == "error[GS2002]: 'half.ms' is not a sound .ms file")
  }
}
