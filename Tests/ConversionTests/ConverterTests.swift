import Foundation
import ModelFormats
import ModelGraph
import Quantization
import Support
import Testing

@testable import Conversion

@Suite struct ConverterTests {
  private static let digits = MutatedInputTests.root
    .appending(path: "fixtures/digits/digits_cnn.onnx").path

  private func inTemporaryFolder<Result>(_ body: (URL) throws -> Result) throws -> Result {
    let folder = FileManager.default.temporaryDirectory
      .appending(path: "gsconvert-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try body(folder)
  }

  private func job(
    _ folder: URL, bits: Int = 8, threads: Int = 1, name: String = "out.onnx"
  ) -> ConversionJob {
    ConversionJob(
      modelPath: Self.digits, outputPath: folder.appending(path: name).path,
      weights: WeightQuantizationSettings(bits: bits, minWeightChannel: 0), threads: threads)
  }

  @Test(arguments: [3, 8, 12])
  func anyNumberOfThreadsGivesTheSameBytes(bits: Int) throws {
    try inTemporaryFolder { folder in
      let files = try [1, 2, 7].map { threads in
        let job = job(folder, bits: bits, threads: threads, name: "\(threads).onnx")
        _ = try Converter(job).run()
        return try Data(contentsOf: URL(filePath: job.outputPath))
      }
      #expect(files[0] == files[1])
      #expect(files[0] == files[2])
    }
  }

  @Test func theForecastSizeIsTheFileSize() throws {
    try inTemporaryFolder { folder in
      let outcome = try Converter(job(folder, bits: 4)).run().outcome
      let size =
        try FileManager.default.attributesOfItem(
          atPath: folder.appending(path: "out.onnx").path)[.size] as? Int
      #expect(outcome.outputByteCount == size)
      #expect(outcome.predictedPeakByteCount > outcome.outputByteCount)
    }
  }

  @Test func aDryRunWritesNothing() throws {
    try inTemporaryFolder { folder in
      var job = job(folder)
      job.isDryRun = true
      job.reportFolder = folder.appending(path: "report").path
      let outcome = try Converter(job).run().outcome
      #expect(outcome.constants.contains { $0.recipe != nil })
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
    }
  }

  @Test func aFailureLeavesTheOldFileAndNoDebris() throws {
    try inTemporaryFolder { folder in
      let old = Data("old".utf8)
      try old.write(to: folder.appending(path: "out.onnx"))
      var job = job(folder)
      job.weights.skipped = [NodePattern("type:*")]
      job.skipLocations = [.init(file: "job.cfg", line: 1)]
      let failure = #expect(throws: Failure.self) { try Converter(job).run() }
      #expect(failure?.diagnostics.last?.code == .nothingQuantized)
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["out.onnx"])
      #expect(try Data(contentsOf: folder.appending(path: "out.onnx")) == old)
    }
  }

  @Test func moreBitsMeanLessNoise() throws {
    try inTemporaryFolder { folder in
      let ratios = try [2, 4, 6, 8, 12, 16].map { bits in
        try Converter(job(folder, bits: bits)).run().outcome.constants
          .compactMap(\.signalToNoise).reduce(0, +)
      }
      #expect(ratios == ratios.sorted())
      #expect(ratios[0] < ratios[5])
    }
  }

  @Test func whatIsWrittenReadsBackAsTheSameModelWithFewerBytes() throws {
    try inTemporaryFolder { folder in
      let job = job(folder)
      _ = try Converter(job).run()
      let before = ModelInspection(try ModelLoader.load(path: Self.digits), path: Self.digits)
      let after = ModelInspection(try ModelLoader.load(path: job.outputPath), path: job.outputPath)
      #expect(after.inputs == before.inputs)
      #expect(after.outputs == before.outputs)
      #expect(before.quantization == "nothing")
      #expect(after.quantization.contains("constants behind DequantizeLinear"))
      #expect(after.facts.byteCount * 2 < before.facts.byteCount)
    }
  }
}
