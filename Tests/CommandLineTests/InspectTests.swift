import Testing

/// `gsconvert inspect`.
@Suite struct InspectTests {
  @Test func aFloatModelIsDescribed() throws {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    let outcome = try Program.run(["inspect", "model.onnx"], in: folder)
    #expect(outcome.status == 0)
    #expect(outcome.error == "")
    try Snapshot.check(outcome.output, "inspect-float")
  }

  @Test func aQuantizedModelIsDescribed() throws {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    _ = try Program.run(Fixtures.job, in: folder)
    let outcome = try Program.run(["inspect", "result.onnx"], in: folder)
    #expect(outcome.status == 0)
    try Snapshot.check(outcome.output, "inspect-quantized")
  }

  @Test func everyNodeIsListedOnDemand() throws {
    let folder = try TemporaryFolder(model: Fixtures.model("shared_weights"))
    let outcome = try Program.run(["inspect", "model.onnx", "--verbose"], in: folder)
    #expect(outcome.status == 0)
    try Snapshot.check(outcome.output, "inspect-verbose")
  }

  @Test(arguments: [["--logFormat=json"], ["--logFormat", "JSON"]])
  func theSameFactsAreAvailableAsJSON(flag: [String]) throws {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    _ = try Program.run(Fixtures.job, in: folder)
    let float = try JSON.object(Program.run(["inspect", "model.onnx"] + flag, in: folder).output)
    let quantized = try JSON.object(
      Program.run(["inspect", "result.onnx"] + flag, in: folder).output)
    #expect(
      Set(float.keys) == [
        "model", "format", "bytes", "formatVersion", "operatorSets", "inputs", "outputs",
        "operators", "constants", "quantization",
      ])
    #expect(Set(float.keys) == Set(quantized.keys))
    #expect(float["bytes"] as? Int == (try folder.bytes("model.onnx").count))
    #expect((float["operators"] as? [String: Int])?["Conv"] == 12)
    #expect(float["quantization"] as? String == "nothing")
    let dequantizers = (quantized["operators"] as? [String: Int])?["DequantizeLinear"] ?? 0
    #expect(dequantizers > 0)
    #expect(
      quantized["quantization"] as? String == "\(dequantizers) constants behind DequantizeLinear")
  }

  @Test func aMissingModelIsTold() throws {
    let outcome = try Program.run(["inspect", "missing.onnx"], in: TemporaryFolder())
    #expect(outcome.status == 66)
    #expect(outcome.error.contains("the model 'missing.onnx' cannot be read"))
  }

  @Test func aDamagedModelIsTold() throws {
    let folder = try TemporaryFolder()
    try folder.write("damaged.onnx", [0xFF, 0xFF, 0xFF, 0xFF])
    let outcome = try Program.run(["inspect", "damaged.onnx", "--logFormat=json"], in: folder)
    #expect(outcome.status == 65)
    #expect(try JSON.object(outcome.error)["code"] as? String == "GS2002")
    #expect(try JSON.object(outcome.output)["exitCode"] as? Int == 65)
  }

  @Test func anUnknownLogFormatIsTold() throws {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    let outcome = try Program.run(["inspect", "model.onnx", "--logFormat=xml"], in: folder)
    #expect(outcome.status == 64)
    #expect(outcome.error.contains("--logFormat=xml is neither text nor json"))
  }

  @Test func verboseJSONListsTheNodes() throws {
    let folder = try TemporaryFolder(model: Fixtures.model("transformer"))
    func facts(_ more: [String]) throws -> [String: Any] {
      let outcome = try Program.run(
        ["inspect", "model.onnx", "--logFormat=json"] + more, in: folder)
      #expect(outcome.status == 0, "\(outcome.error)")
      return try JSON.object(outcome.output)
    }
    #expect(try facts([])["nodes"] == nil)
    let listed = try facts(["--verbose"])
    let nodes = try #require(listed["nodes"] as? [[String: Any]])
    let counts = try #require(listed["operators"] as? [String: Int])
    #expect(nodes.count == counts.values.reduce(0, +))
    #expect(nodes.contains { ($0["operator"] as? String) == "MatMul" })
    #expect(nodes.allSatisfy { ($0["outputs"] as? [String])?.isEmpty == false })
  }
}
