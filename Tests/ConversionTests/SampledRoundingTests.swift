import Foundation
import Testing

@testable import Conversion

@Suite struct SampledRoundingTests {
  private static func sections(bits: Int, _ strategy: String, _ more: String = "") -> String {
    """
    [common_quant_param]
    quant_type=WEIGHT_QUANT
    bit_num=\(bits)
    min_quant_weight_size=0
    min_quant_weight_channel=0
    [weight_quant_param]
    quant_strategy=\(strategy)
    \(more)
    """
  }

  private func cosine(_ folder: DigitFolder, _ sections: String) throws -> Double {
    let outcome = try Converter(try folder.job(sections)).run().outcome
    let quality = try #require(outcome.quality)
    #expect(quality.source == .unused)
    return try #require(quality.outputs.first).cosine
  }

  @Test(arguments: [2, 3, 4, 8]) func samplesMakeAnswersMoreLikeTheFloatModels(bits: Int) throws {
    try DigitFolder.with { folder in
      let plain = try cosine(folder, Self.sections(bits: bits, "MAX_MIN"))
      let sampled = try cosine(folder, Self.sections(bits: bits, "GPTQ"))
      #expect(1 - sampled < (1 - plain) * 0.8, "\(plain) without samples, \(sampled) with")
    }
  }

  @Test(arguments: ["per_channel=false", "bias_correction=false"])
  func otherKeysKeepTheirMeaning(key: String) throws {
    try DigitFolder.with { folder in
      let plain = try cosine(folder, Self.sections(bits: 3, "MAX_MIN", key))
      let sampled = try cosine(folder, Self.sections(bits: 3, "GPTQ", key))
      #expect(sampled > plain, "\(plain) without samples, \(sampled) with")
    }
  }

  /// Weights of integer kernels are bound otherwise, and steps of mixed bits are chosen already.
  @Test(arguments: ["quant_type=DYNAMIC_QUANT", "quant_type=WEIGHT_QUANT\nbit_num=0"])
  func otherQuantizationsIgnoreTheKey(type: String) throws {
    try DigitFolder.with { folder in
      let job = try folder.job(
        "[common_quant_param]\n\(type)\n[weight_quant_param]\nquant_strategy=GPTQ")
      #expect(!job.roundsOnSamples)
    }
  }

  @Test func skippedNodesStayFloat() throws {
    try DigitFolder.with { folder in
      let sections = Self.sections(bits: 4, "GPTQ").replacingOccurrences(
        of: "bit_num=4", with: "bit_num=4\nskip_quant_node=type:Conv")
      let outcome = try Converter(try folder.job(sections)).run().outcome
      for constant in outcome.constants where constant.operatorType == "Conv" {
        #expect(constant.recipe == nil)
      }
      #expect(outcome.constants.contains { $0.recipe != nil })
    }
  }

  @Test func anyNumberOfThreadsGivesTheSameBytes() throws {
    try DigitFolder.with { folder in
      let files = try [1, 2, 7].map { threads in
        let job = try folder.job(Self.sections(bits: 3, "GPTQ"), threads: threads)
        let outcome = try Converter(job).run().outcome
        return try Data(contentsOf: URL(filePath: outcome.files[0]))
      }
      #expect(files[0] == files[1])
      #expect(files[0] == files[2])
    }
  }
}
