import Glibc
import Testing

/// Where the result goes, and that a failure leaves the folder as it was.
@Suite struct OutputFileTests {
  private func convert(to output: String, in folder: TemporaryFolder) throws -> Program.Outcome {
    try Program.run(
      ["--modelFile=model.onnx", "--outputFile=\(output)", "--configFile=job.cfg"], in: folder)
  }

  @Test func aMissingFolderIsTold() throws {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    let outcome = try convert(to: "no/such/result.onnx", in: folder)
    #expect(outcome.status == 73)
    #expect(outcome.output == "CONVERT RESULT FAILED:73\n")
    #expect(try folder.files() == ["job.cfg", "model.onnx"])
    try Snapshot.check(outcome.error, "output-folder-missing")
  }

  @Test func aFolderIsNoResult() throws {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    try folder.makeFolder("result.onnx")
    let outcome = try convert(to: "result.onnx", in: folder)
    #expect(outcome.status == 73)
    #expect(try folder.files() == ["job.cfg", "model.onnx", "result.onnx"])
    try Snapshot.check(outcome.error, "output-is-folder")
  }

  @Test(.enabled(if: geteuid() != 0, "root may write anywhere"))
  func aFolderWithoutPermissionIsTold() throws {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    try folder.makeFolder("locked", permissions: 0o555)
    let outcome = try convert(to: "locked/result.onnx", in: folder)
    #expect(outcome.status == 73)
    #expect(outcome.error.contains("the output folder 'locked' cannot be written to"))
  }

  @Test func aFolderThatTakesNoFilesIsTold() throws {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    let outcome = try convert(to: "/proc/result.onnx", in: folder)
    #expect(outcome.status == 73)
    #expect(outcome.error.hasPrefix("error[GS500"))
    #expect(outcome.error.contains("/proc"))
  }

  @Test(arguments: ["model.onnx", "./model.onnx", "linked.onnx", "hard.onnx"])
  func theModelIsNeverWrittenOver(output: String) throws {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    #expect(symlink("model.onnx", folder.path + "/linked.onnx") == 0)
    #expect(link(folder.path + "/model.onnx", folder.path + "/hard.onnx") == 0)
    let before = try folder.bytes("model.onnx")
    let outcome = try convert(to: output, in: folder)
    #expect(outcome.status == 64)
    #expect(outcome.error.hasPrefix("error[GS0005]: "))
    #expect(try folder.bytes("model.onnx") == before)
    #expect(try folder.files() == ["hard.onnx", "job.cfg", "linked.onnx", "model.onnx"])
  }

  @Test func anOlderResultIsReplaced() throws {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    try folder.write("result.onnx", "old")
    let outcome = try convert(to: "result.onnx", in: folder)
    #expect(outcome.status == 0)
    #expect(try folder.files() == ["job.cfg", "model.onnx", "result.onnx"])
    #expect(try folder.bytes("result.onnx").count > 100_000)
  }

  @Test(arguments: [
    Fixtures.weightQuantization + "bit_num=99\n",
    Fixtures.weightQuantization + "[awq_param]\n",
    Fixtures.weightQuantization + "skip_quant_node=nothing\n",
    Fixtures.weightQuantization + "skip_quant_node=*\n",
  ])
  func aFailureLeavesAnOlderResultAlone(configuration: String) throws {
    let folder = try TemporaryFolder(configuration: configuration)
    try folder.write("result.onnx", "old")
    let outcome = try convert(to: "result.onnx", in: folder)
    #expect(outcome.status != 0)
    #expect(try folder.text("result.onnx") == "old")
    #expect(try folder.files() == ["job.cfg", "model.onnx", "result.onnx"])
  }

  @Test func aFullDiskLeavesAnOlderResultAlone() throws {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    try folder.write("result.onnx", "old")
    // Blocks of 512 bytes: far less than the result.
    let outcome = try Program.run(shell: "ulimit -f 100", Fixtures.job, in: folder)
    #expect(outcome.status == 73)
    #expect(outcome.output == "CONVERT RESULT FAILED:73\n")
    #expect(outcome.error.hasPrefix("error[GS5001]: 'result.onnx' cannot be written: "))
    #expect(try folder.text("result.onnx") == "old")
    #expect(try folder.files() == ["job.cfg", "model.onnx", "result.onnx"])
  }

  @Test(arguments: [
    "", "bit_num=4\n", "bit_num=3\n[weight_quant_param]\nweight_round_method=NEAREST\n",
  ])
  func theNumberOfThreadsChangesNoByte(keys: String) throws {
    let folder = try TemporaryFolder(configuration: Fixtures.weightQuantization + keys)
    var results: [[UInt8]] = []
    for threads in [1, 2, 7] {
      let outcome = try Program.run(
        Fixtures.job.dropLast() + ["--threads=\(threads)", "--quiet"], in: folder)
      #expect(outcome.status == 0)
      results.append(try folder.bytes("result.onnx"))
    }
    #expect(results[0] == results[1])
    #expect(results[0] == results[2])
  }

  @Test func theSameJobTwiceGivesTheSameBytes() throws {
    let folder = try TemporaryFolder(model: Fixtures.recurrentDigits)
    #expect(try convert(to: "first.onnx", in: folder).status == 0)
    #expect(try convert(to: "second.onnx", in: folder).status == 0)
    #expect(try folder.bytes("first.onnx") == folder.bytes("second.onnx"))
  }
}
