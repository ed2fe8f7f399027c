import Foundation
import Testing

/// The reports of FULL_QUANT.
@Suite struct FullReportTests {
  private static let rounds = (0..<3).map { "round_\($0).csv" }

  /// The digit classifier and pictures of digits, converted with reports.
  private static func convert(
    threads: Int, type: String = "FULL_QUANT"
  ) throws -> (folder: TemporaryFolder, outcome: Program.Outcome) {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    try folder.write(
      "job.cfg",
      """
      [common_quant_param]
      quant_type=\(type)
      debug_info_save_path=reports
      \(Fixtures.digitSamples(3))

      """)
    let outcome = try Program.run(
      [
        "--modelFile=model.onnx", "--outputFile=result.onnx", "--configFile=job.cfg",
        "--threads=\(threads)", "--logFormat=json",
      ], in: folder)
    try #require(outcome.status == 0, "\(outcome.error)")
    return (folder, outcome)
  }

  private static func rows(_ text: String) -> [[Substring]] {
    text.split(separator: "\n").dropFirst().map {
      $0.split(separator: ",", omittingEmptySubsequences: false)
    }
  }

  @Test func eachSampleHasAFileWhoseRowsJoin() throws {
    let (folder, outcome) = try Self.convert(threads: 2)
    let result = try JSON.object(outcome.output)
    let names = ["quant_param.csv"] + Self.rounds + ["output_summary.csv"]
    #expect(result["files"] as? [String] == ["result.onnx"] + names.map { "reports/" + $0 })
    let report = try #require(result["report"] as? [String: Any])
    #expect(report["rounds"] as? Int == 3)
    #expect(report["input"] as? String == "calibration samples")
    for name in Self.rounds {
      let rows = Self.rows(try folder.text("reports/" + name))
      try #require(rows.count > 20 && rows.count % 2 == 0)
      for index in stride(from: 0, to: rows.count, by: 2) {
        let (origin, dequant) = (rows[index], rows[index + 1])
        #expect(origin[..<4] == dequant[..<4])
        #expect(origin[4] == "Origin" && dequant[4] == "Dequant" && origin[5] == dequant[5])
        #expect(origin[14] == "0" && origin[15] == "1")
        let cosine = try #require(Double(dequant[15]))
        #expect(cosine > 0.9, "\(name) \(origin[0]) \(origin[2])")
      }
    }
  }

  @Test func everyOperatorHasItsFourTensors() throws {
    let (folder, outcome) = try Self.convert(threads: 2)
    let rows = Self.rows(try folder.text("reports/quant_param.csv"))
    let bits = Dictionary(grouping: rows) { $0[0] }.mapValues { Set($0.map { $0[7] }) }
    let result = try JSON.object(outcome.output)
    #expect(bits.count == result["integerOperators"] as? Int)
    #expect(bits.values.allSatisfy { $0 == ["8", "32"] })
    for row in rows {
      let extents = row[4].split(separator: " ").compactMap { Int($0) }
      #expect(Int(row[3]) == extents.reduce(1, *))
      #expect(try #require(Float(row[5])) > 0)
    }
  }

  @Test func anyNumberOfThreadsGivesTheSameBytes() throws {
    let (one, _) = try Self.convert(threads: 1)
    let (four, _) = try Self.convert(threads: 4)
    for name in ["quant_param.csv", "output_summary.csv"] + Self.rounds {
      #expect(try one.bytes("reports/" + name) == four.bytes("reports/" + name))
    }
  }

  @Test func weightsAloneAreSeenOnTheFirstSample() throws {
    let (folder, outcome) = try Self.convert(threads: 2, type: "WEIGHT_QUANT")
    let report = try #require(try JSON.object(outcome.output)["report"] as? [String: Any])
    #expect(report["input"] as? String == "the first calibration sample")
    #expect(outcome.error == "")
    #expect(
      try folder.files().filter { $0.hasPrefix("reports/") } == [
        "reports/output_summary.csv", "reports/quant_param.csv", "reports/round_0.csv",
      ])
  }
}
