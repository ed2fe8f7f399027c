import Testing

/// The reports of WEIGHT_QUANT in the folder that `debug_info_save_path` names.
@Suite struct ReportTests {
  private static let header =
    "NodeName,NodeType,TensorName,ElementsNum,Dims,Scale,ZeroPoint,Bits,CorrectionVar,"
    + "CorrectionMean"

  private func convert(_ keys: String) throws -> (folder: TemporaryFolder, Program.Outcome) {
    let folder = try TemporaryFolder(configuration: Fixtures.weightQuantization + keys)
    return (folder, try Program.run(Fixtures.job, in: folder))
  }

  @Test func theFolderIsMade() throws {
    let (folder, outcome) = try convert("debug_info_save_path=deep/reports\n")
    #expect(outcome.status == 0)
    #expect(outcome.error == "")
    #expect(outcome.output.contains("\n           deep/reports/quant_param.csv\n"))
    #expect(
      try folder.files() == [
        "deep", "deep/reports", "deep/reports/output_summary.csv",
        "deep/reports/quant_param.csv", "deep/reports/round_0.csv", "job.cfg", "model.onnx",
        "result.onnx",
      ])
    #expect(outcome.output.contains("the reports compare both models on random input\n"))
  }

  @Test func theReportHasARowForEachChannel() throws {
    let (folder, outcome) = try convert("bit_num=4\ndebug_info_save_path=.\n")
    #expect(outcome.status == 0)
    let text = try folder.text("quant_param.csv")
    #expect(text.hasSuffix("\n"))
    #expect(!text.contains("\r"))
    let lines = text.dropLast().split(separator: "\n", omittingEmptySubsequences: false)
    #expect(lines.first ?? "" == Self.header)
    var rows: [Substring: Int] = [:]
    for line in lines.dropFirst() {
      let fields = line.split(separator: ",", omittingEmptySubsequences: false)
      try #require(fields.count == 10)
      rows[fields[2], default: 0] += 1
      let dimensions = fields[4].split(separator: " ").compactMap { Int($0) }
      #expect(Int(fields[3]) == dimensions.reduce(1, *))
      #expect(try #require(Float(fields[5])) > 0)
      #expect((-8...7).contains(try #require(Int(fields[6]))))
      #expect(fields[7...] == ["4", "1", "0"])
    }
    #expect(rows["mix.0.weight"] == 256)
    #expect(rows["hidden.weight"] == 128)
    #expect(rows["logits.weight"] == 10)
  }

  @Test func aTensorWithOneScaleHasOneRow() throws {
    let (folder, outcome) = try convert(
      "debug_info_save_path=.\n[weight_quant_param]\nper_channel=false\n")
    #expect(outcome.status == 0)
    let lines = try folder.text("quant_param.csv").split(separator: "\n")
    #expect(lines.filter { $0.contains(",mix.0.weight,") }.count == 1)
  }

  @Test func theReportListsWhatTheResultQuantizes() throws {
    let folder = try TemporaryFolder(
      configuration: Fixtures.weightQuantization + "debug_info_save_path=.\n")
    let outcome = try Program.run(Fixtures.job + ["--logFormat=json"], in: folder)
    let result = try JSON.object(outcome.output)
    #expect(
      result["files"] as? [String] == [
        "result.onnx", "./quant_param.csv", "./round_0.csv", "./output_summary.csv",
      ])
    let tensors = try #require(result["tensors"] as? [[String: Any]])
    let quantized = tensors.filter { $0["bits"] != nil }.compactMap { $0["tensor"] as? String }
    let rows = try folder.text("quant_param.csv").split(separator: "\n").dropFirst()
    let reported = rows.map { String($0.split(separator: ",")[2]) }
    #expect(Set(reported) == Set(quantized))
  }

  @Test func anImpossibleReportIsAWarning() throws {
    let folder = try TemporaryFolder(
      configuration: Fixtures.weightQuantization + "debug_info_save_path=blocked\n")
    try folder.makeFolder("blocked/quant_param.csv")
    let outcome = try Program.run(Fixtures.job, in: folder)
    #expect(outcome.status == 0)
    #expect(outcome.outputLines.suffix(2) == ["warnings   1", "CONVERT RESULT SUCCESS:0"])
    #expect(
      try folder.files() == [
        "blocked", "blocked/output_summary.csv", "blocked/quant_param.csv", "blocked/round_0.csv",
        "job.cfg", "model.onnx", "result.onnx",
      ])
    try Snapshot.check(outcome.error, "report-impossible")
  }

  @Test func aModelThatCannotRunIsConvertedAllTheSame() throws {
    let folder = try TemporaryFolder(model: Fixtures.model("custom_domain_norun"))
    try folder.write(
      "job.cfg",
      Fixtures.weightQuantization + "min_quant_weight_channel=0\ndebug_info_save_path=.\n")
    let outcome = try Program.run(Fixtures.job, in: folder)
    #expect(outcome.status == 0)
    #expect(
      outcome.error.hasPrefix(
        "warning[GS4003]: the models could not be run for the reports: the node "))
    #expect(
      try folder.files() == ["job.cfg", "model.onnx", "quant_param.csv", "result.onnx"])
  }

  @Test func aFileIsNoFolderForReports() throws {
    let (folder, outcome) = try convert("debug_info_save_path=model.onnx\n")
    #expect(outcome.status == 78)
    #expect(outcome.error.contains("debug_info_save_path is not a directory"))
    #expect(try folder.files() == ["job.cfg", "model.onnx"])
  }
}
