import Foundation
import ModelFormats
import ModelGraph
import Quantization
import Support
import Testing

@testable import Conversion

@Suite struct MixedBitConversionTests {
  private static let digits = MutatedInputTests.root
    .appending(path: "fixtures/digits/digits_cnn.onnx").path

  private static func convert(
    _ aim: MixedBitJob.Aim?, bits: Int = 0, to name: String, threads: Int = 1
  ) throws -> (outcome: ConversionOutcome, warnings: [Diagnostic], bytes: [UInt8]) {
    let path = FileManager.default.temporaryDirectory.appending(path: "\(UUID())-\(name)")
    defer { try? FileManager.default.removeItem(at: path) }
    var job = ConversionJob(
      modelPath: digits, outputPath: path.path,
      weights: WeightQuantizationSettings(bits: bits, minWeightChannel: 0), threads: threads)
    job.mixed = aim.map { MixedBitJob(aim: $0) }
    job.writesMSLite = name.hasSuffix(".ms")
    let (outcome, warnings) = try Converter(job).run()
    let bytes = Array(try Data(contentsOf: path))
    #expect(outcome.outputByteCount == bytes.count)
    return (outcome, warnings, bytes)
  }

  @Test func packedFilesGrowWithTheBits() throws {
    let sizes = try [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 16].map {
      try Self.convert(nil, bits: $0, to: "fixed.ms").bytes.count
    }
    #expect(sizes == sizes.sorted())
    #expect(Set(sizes).count == sizes.count)
  }

  @Test(arguments: ["mixed.ms", "mixed.onnx"])
  func threadsDoNotShow(name: String) throws {
    let one = try Self.convert(.relativeError(0.05), to: name)
    let many = try Self.convert(.relativeError(0.05), to: name, threads: 5)
    #expect(one.bytes == many.bytes)
    let mixed = try #require(one.outcome.mixed)
    #expect(mixed.meanBits > 3 && mixed.meanBits < 7)
    #expect(one.outcome.constants.contains { $0.signalToNoise ?? 0 > 24 })
  }

  @Test func aSizeIsMet() throws {
    for target in [60_000, 90_000, 120_000] {
      let found = try Self.convert(.bytes(target), to: "mixed.ms")
      #expect(found.bytes.count <= target)
      #expect(found.bytes.count > target - target / 100)
      #expect(found.warnings.isEmpty)
    }
  }

  @Test func aSizeThatCannotBeIsTold() throws {
    let found = try Self.convert(.bytes(100), to: "mixed.ms")
    #expect(found.warnings.map(\.code) == [.targetMissed])
  }

  @Test(arguments: ["mixed.ms", "mixed.onnx"]) func bitsAreMet(name: String) throws {
    for bits in [2.5, 5, 7.25] {
      let mixed = try #require(try Self.convert(.bits(bits), to: name).outcome.mixed)
      #expect(mixed.meanBits <= bits && mixed.meanBits > bits - 0.05)
    }
  }

  @Test func aCosineIsMetAndMoreCostsMore() throws {
    let sizes = try [0.99, 0.9999].map { target in
      let found = try Self.convert(.cosine(target), to: "mixed.ms")
      #expect(try #require(found.outcome.mixed?.cosine) >= target)
      #expect(found.warnings.map(\.code) == [.judgedOnRandomInput])
      return found.bytes.count
    }
    #expect(sizes[0] < sizes[1])
  }

  @Test func theTunedErrorKeepsTheCosine() throws {
    let found = try Self.convert(.tuned(trials: 40), to: "mixed.ms")
    let mixed = try #require(found.outcome.mixed)
    #expect(try #require(mixed.cosine) >= 0.995)
    #expect(mixed.trialCount <= 40)
  }

  /// Cosines that fall with the square of the error, and cosines that never suffice.
  @Test(arguments: [0.001, 0.02, 0.5], [1, 3, 40])
  func theTunerFindsTheBoundary(limit: Double, trials: Int) throws {
    var count = 0
    let tuner = StepTuner(cosine: 0.995, trials: trials)
    let found = try tuner.largestError { (error) throws(Failure) in
      count += 1
      return 1 - 0.005 * (error / limit) * (error / limit)
    }
    #expect(count <= trials)
    if trials == 40 {
      #expect(found.isReached && found.error <= limit && found.error > limit * 0.9)
    }
    let hopeless = try tuner.largestError { (_) throws(Failure) in 0.1 }
    #expect(!hopeless.isReached)
  }

  @Test func aMarginIsTwiceTheStandardError() {
    #expect(abs(MixedBitTrial.margin([0.01, 0.02, 0.03]) - 2 * 0.01 / 3.0.squareRoot()) < 1e-12)
    #expect(MixedBitTrial.margin([0.02, 0.02]) == 0)
    #expect(abs(MixedBitTrial.margin([0.06]) - 0.01) < 1e-12)
    #expect(MixedBitTrial.margin([]) == 0)
  }
}
