import Configuration
import Foundation
import Support
import TensorFiles
import Testing

@testable import Conversion
@testable import ModelGraph

@Suite struct FullConversionTests {
  private func inSampleFolder<Result>(
    full: String = "", _ body: (URL, (_ threads: Int) throws -> ConversionJob) throws -> Result
  ) throws -> Result {
    try DigitFolder.with { folder in
      try body(folder.url) { threads in
        try folder.job(
          "[common_quant_param]\nquant_type=FULL_QUANT\n[full_quant_param]\n\(full)",
          threads: threads)
      }
    }
  }

  @Test(arguments: ["MAX_MIN", "KL", "REMOVAL_OUTLIER", "AUTO"])
  func theResultKeepsTheFloatModelsAnswers(method: String) throws {
    try inSampleFolder(full: "activation_quant_method=\(method)") { _, job in
      let outcome = try Converter(try job(1)).run().outcome
      let full = try #require(outcome.full)
      #expect(full.sampleCount == 8)
      #expect(full.integerOperatorCount > 0)
      let quality = try #require(outcome.quality)
      let output = try #require(quality.outputs.first)
      #expect(output.cosine > 0.995, "\(method)")
      #expect(outcome.outputByteCount < outcome.model.byteCount / 2)
    }
  }

  @Test func anyNumberOfThreadsGivesTheSameBytes() throws {
    try inSampleFolder(full: "activation_quant_method=AUTO") { folder, job in
      let files = try [1, 2, 7].map { threads in
        let outcome = try Converter(try job(threads)).run().outcome
        return try Data(contentsOf: URL(filePath: outcome.files[0]))
      }
      #expect(files[0] == files[1])
      #expect(files[0] == files[2])
    }
  }

  private static let gptq = "[weight_quant_param]\nquant_strategy=GPTQ"

  /// The errors of weights are a part of all only, so that less is gained than with floats.
  @Test(arguments: [false, true], ["", "per_channel=false", "bias_correction=false"])
  func weightsAreRoundedOnSamplesToo(writesMSLite: Bool, key: String) throws {
    let plain = try compared(key, writesMSLite: writesMSLite)
    let sampled = try compared("\(key)\n\(Self.gptq)", writesMSLite: writesMSLite)
    #expect(plain.trial == nil)
    let trial = try #require(sampled.trial)
    #expect(trial.fitted > trial.plain - 0.5, "\(trial)")
    #expect(trial.fitted != trial.plain)
    #expect(plain.signalToNoise == trial.plain)
    #expect(sampled.signalToNoise == max(trial.fitted, trial.plain))
  }

  private func compared(
    _ full: String, writesMSLite: Bool
  ) throws -> (signalToNoise: Double, trial: ComparisonFacts?) {
    try inSampleFolder(full: full) { _, job in
      var job = try job(1)
      job.writesMSLite = writesMSLite
      if writesMSLite { job.full?.settings.profile = .mindSporeLite }
      #expect(job.roundsOnSamples == full.hasSuffix(Self.gptq))
      let (outcome, warnings) = try Converter(job).run()
      #expect(warnings.isEmpty)
      let output = try #require(outcome.quality?.outputs.first)
      return (output.signalToNoise, outcome.full?.roundingTrial)
    }
  }

  @Test func roundingOnSamplesDependsOnNoThreads() throws {
    try inSampleFolder(full: Self.gptq) { _, job in
      let files = try [1, 3].map { threads in
        try Data(contentsOf: URL(filePath: Converter(try job(threads)).run().outcome.files[0]))
      }
      #expect(files[0] == files[1])
    }
  }

  @Test func perTensorWeightsHaveOneScale() throws {
    try inSampleFolder(full: "per_channel=false") { _, job in
      let outcome = try Converter(try job(1)).run().outcome
      #expect(outcome.constants.allSatisfy { $0.recipe?.storage.axis == nil })
      #expect(try #require(outcome.quality?.outputs.first).cosine > 0.98)
    }
  }
}
