import Foundation
import ModelFormats
import Quantization
import Support
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

  /// Weights of integer kernels are bound otherwise.
  @Test func dynamicQuantizationIgnoresTheKey() throws {
    try DigitFolder.with { folder in
      let job = try folder.job(
        "[common_quant_param]\nquant_type=DYNAMIC_QUANT\n[weight_quant_param]\nquant_strategy=GPTQ")
      #expect(!job.roundsOnSamples)
    }
  }

  @Test(arguments: ["init_scale=0.2", "target_bits=2.5", "target_size=0.25"])
  func chosenBitsAreRoundedOnSamplesToo(aim: String) throws {
    try DigitFolder.with { folder in
      let sections = { (strategy: String) in
        Self.sections(bits: 0, strategy) + "\n[mixed_bit_weight_quant_param]\n\(aim)"
      }
      let plain = try cosine(folder, sections("MAX_MIN"))
      var job = try folder.job(sections("GPTQ"))
      let (outcome, warnings) = try Converter(job).run()
      let sampled = try #require(outcome.quality?.outputs.first).cosine
      #expect(1 - sampled < (1 - plain) * 0.9, "\(plain) without samples, \(sampled) with")
      #expect(warnings.isEmpty)
      if aim.hasPrefix("target_bits") { #expect(try #require(outcome.mixed).meanBits <= 2.5) }
      guard aim.hasPrefix("target_size") else { return }
      job.writesMSLite = true
      let size = try Converter(job).run().outcome.outputByteCount
      let float = try MappedFile(path: job.modelPath).count
      #expect(size <= float / 4 && Double(size) > Double(float) * 0.2475)
    }
  }

  @Test func itIsToldWhereNothingCanBeRounded() throws {
    try DigitFolder.with { folder in
      let warnings = try Converter(try folder.job(Self.sections(bits: 12, "GPTQ"))).run().warnings
      #expect(warnings.map(\.code) == [.keyWithoutEffect])
      #expect(warnings.first?.notes.contains { $0.hasSuffix("of more than 8 bits") } ?? false)
    }
  }

  /// Whatever is kept between groups of layers: the same integers as by computing all again.
  @Test(arguments: [1, 2]) func keepingActivationsChangesNothing(layers: Int) throws {
    try DigitFolder.with { folder in
      let job = try folder.job(Self.sections(bits: 3, "GPTQ"))
      let pool = WorkerPool(threads: 2)
      let files = try [0, 20_000, 1 << 30].map { limit in
        let (model, running) = (
          try QuantizedInput(job: job).load().model, try QuantizedInput(job: job).load().model
        )
        let samples = try #require(try job.reportSamples?.open(model, shapes: [:]))
        let plan = WeightPlanner(job.weights, pool: pool).plan(model)
        var rounding = SampledRounding(pool: pool, observer: nil)
        (rounding.layersAtOnce, rounding.keptByteLimit) = (layers, limit)
        let layers = FeedbackLayer.layers(of: plan, in: model.graph)
        let rounded = try rounding.run(layers, running: running, samples)
        #expect(rounded.count == plan.quantized.count)
        SampledRounding.correctBiases(rounded, plan, in: model)
        Quantizer.apply(plan, rounded: rounded)
        _ = try OpsetUpgrade.raise(model, to: 21)
        let path = folder.url.appending(path: "kept\(limit).onnx").path
        _ = try ONNXWriter(model).write(to: path, pool: pool) { _, _ in }
        return try Data(contentsOf: URL(filePath: path))
      }
      #expect(files[0] == files[1])
      #expect(files[0] == files[2])
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
