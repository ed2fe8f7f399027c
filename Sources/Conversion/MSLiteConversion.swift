import MSLiteTranslation
import ModelFormats
import ModelGraph
import Quantization
import Support

/// A conversion into a `.ms` file, with float weights or with weights as integers of 8 or 16 bits.
struct MSLiteConversion {
  let job: ConversionJob
  let pool: WorkerPool
  let observer: (any ConversionObserver)?

  /// The format says no axis: the runtime knows that of these operators, and takes the first one of
  /// all others.
  private static let perChannelOperators: Set<String> = [
    "Conv", "ConvTranspose", "MatMul", "Gemm", "Gather",
  ]

  /// Refuses what `.ms` files can't have yet, before any work.
  private func check() throws(Failure) {
    let lack: String? =
      if job.full != nil {
        "quant_type=FULL_QUANT"
      } else if job.quantizesWeights, job.weights.bits != 8, job.weights.bits != 16 {
        "bit_num=\(job.weights.bits)"
      } else if job.reportFolder != nil {
        "debug_info_save_path"
      } else if job.runsResult {
        "--infer=true"
      } else if job.minCosine != nil {
        "--minCosine"
      } else {
        nil
      }
    guard let lack else { return }
    throw Failure(
      .capabilityNotBuilt, "this version cannot do \(lack) with a .ms file yet",
      help: "use --saveType=ONNX")
  }

  /// Translates, plans, and writes unless it is a dry run.
  func run(
    _ model: Model, facts: ModelFacts, converter: Converter, start: Double
  ) throws(Failure) -> (outcome: ConversionOutcome, warnings: [Diagnostic]) {
    try check()
    let version = model.standardOperatorVersion
    var settings = job.weights
    settings.perChannelOperators = MSLiteConversion.perChannelOperators
    let planner = WeightPlanner(settings, pool: pool)
    if job.quantizesWeights { try converter.checkPatterns(planner, model) }
    try MSLiteTranslator.prepare(model)
    let plan = job.quantizesWeights ? planner.plan(model) : nil
    var warnings: [Diagnostic] = []
    if let plan {
      warnings = converter.nonFiniteWarnings(plan)
      guard !plan.quantized.isEmpty else { throw converter.nothingQuantized(plan, warnings) }
      Quantizer.apply(plan)
    }
    let translated = try MSLiteTranslator.translate(
      model,
      options: .init(inputShapes: job.inputShapes, keepsInputLayout: job.keepsInputLayout))
    let writer = try MSLiteWriter(translated)
    var outcome = ConversionOutcome(
      model: facts, constants: plan?.constants.map(converter.constantFacts) ?? [],
      operatorSets: (version, version), outputByteCount: writer.byteCount,
      predictedPeakByteCount: plan.map {
        MemoryForecast($0, workers: pool.workerCount).peakByteCount
      } ?? facts.byteCount, files: [], seconds: 0)
    if !job.isDryRun {
      let parameters = try write(writer, plan)
      var quantized = parameters.makeIterator()
      for index in outcome.constants.indices where outcome.constants[index].recipe != nil {
        outcome.constants[index].signalToNoise = quantized.next()?.signalToNoise
      }
      outcome.files = [job.outputPath]
    }
    outcome.seconds = ProcessUsage.seconds - start
    return (outcome, warnings)
  }

  private func write(
    _ writer: MSLiteWriter, _ plan: QuantizationPlan?
  ) throws(Failure) -> [TensorParameters] {
    let quantized = plan?.quantized ?? []
    let bytes = quantized.map(\.plan.source.byteCount)
    let channels = quantized.map { $0.recipe.storage.axis == nil ? 1 : $0.recipe.layout.channels }
    observer?.began("quantize", total: bytes.reduce(0, +), of: .bytes)
    defer { observer?.ended() }
    let slabs = Guarded([[EncodedParameters]](repeating: [], count: quantized.count))
    try writer.write(to: job.outputPath, pool: pool) { [observer] number, parameters in
      slabs.withLock { $0[number].append(parameters) }
      observer?.advanced(
        by: bytes[number] * parameters.scales.count / max(1, channels[number]))
    }
    return slabs.withLock { $0 }.map(TensorParameters.init(slabs:))
  }
}
