import Testing

/// How the name of the result tells its format, and the format completes the name.
@Suite struct OutputNameTests {
  private func run(_ arguments: String...) throws -> (Program.Outcome, [String]) {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    let outcome = try Program.run(
      ["--modelFile=model.onnx", "--configFile=job.cfg", "--quiet"] + arguments, in: folder)
    return (outcome, try folder.files().filter { $0 != "model.onnx" && $0 != "job.cfg" })
  }

  @Test func theExtensionDecides() throws {
    let (outcome, files) = try run("--outputFile=small.onnx")
    #expect(outcome.status == 0)
    #expect(files == ["small.onnx"])
  }

  @Test func theExtensionMayBeInCapitals() throws {
    let (outcome, files) = try run("--outputFile=SMALL.ONNX")
    #expect(outcome.status == 0)
    #expect(files == ["SMALL.ONNX"])
  }

  @Test(arguments: ["small", "small.v2", "small.onnx.bak"])
  func aMissingExtensionIsAppended(name: String) throws {
    let (outcome, files) = try run("--outputFile=\(name)", "--saveType=ONNX")
    #expect(outcome.status == 0)
    #expect(files == [name + ".onnx"])
  }

  @Test(arguments: ["small", "small.ms"])
  func withoutFormatAndExtensionTheResultIsAnMSFile(name: String) throws {
    let (outcome, files) = try run("--outputFile=\(name)")
    #expect(outcome.status == 0)
    #expect(files == ["small.ms"])
  }

  @Test func theExtensionOfAnUnwrittenFormatIsRefused() throws {
    let (outcome, files) = try run("--outputFile=small.mindir")
    #expect(outcome.status == 69)
    #expect(outcome.error.contains("--outputFile=small.mindir means saveType=MINDIR"))
    #expect(files == [])
  }

  @Test func extensionAndFormatMustAgree() throws {
    let (outcome, files) = try run("--outputFile=small.ms", "--saveType=ONNX")
    #expect(outcome.status == 64)
    #expect(outcome.error.contains("ends in .ms, but saveType is ONNX"))
    #expect(files == [])
  }

  @Test func aNameThatEndsInASlashIsRefused() throws {
    let (outcome, files) = try run("--outputFile=small/", "--saveType=ONNX")
    #expect(outcome.status == 64)
    #expect(outcome.error.contains("names a directory, not a file"))
    #expect(files == [])
  }
}
