import MSLiteTranslation
import ModelFormats
import ModelGraph
import Quantization
import Support

/// A conversion into a `.ms` file, with float weights or with weights as integers.
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
    settings.packsHalfBytes = false
    let planner = WeightPlanner(settings, pool: pool)
    if job.quantizesWeights { try converter.checkPatterns(planner, model) }
    try MSLiteTranslator.prepare(model)
    var plan = job.quantizesWeights ? planner.plan(model) : nil
    var warnings: [Diagnostic] = []
    var mixedFacts: MixedBitFacts?
    if let wanted = plan {
      warnings = converter.nonFiniteWarnings(wanted)
      guard !wanted.quantized.isEmpty else { throw converter.nothingQuantized(wanted, warnings) }
      if let mixed = job.mixed {
        let choice = try MixedBitConversion(
          job: job, mixed: mixed, settings: settings, pool: pool, observer: observer
        ).choose(model, wanted) { (plan) throws(Failure) in try byteCount(model, plan) }
        plan = choice.plan
        mixedFacts = choice.facts
        warnings += choice.warnings
      }
    }
    var translated = try translate(model, plan)
    let collector = SlabCollector(plan, observer)
    let stored = job.packsWeights ? pack(&translated, collector) : []
    let writer = try MSLiteWriter(translated)
    var outcome = ConversionOutcome(
      model: facts, constants: plan?.constants.map(converter.constantFacts) ?? [],
      operatorSets: (version, version), outputByteCount: writer.byteCount,
      predictedPeakByteCount: plan.map {
        MemoryForecast($0, workers: pool.workerCount).peakByteCount
      } ?? facts.byteCount, files: [], mixed: mixedFacts, seconds: 0)
    if !job.isDryRun {
      try write(writer, collector)
      outcome.files = [job.outputPath]
    }
    describe(&outcome, stored, collector.parameters)
    outcome.seconds = ProcessUsage.seconds - start
    return (outcome, warnings)
  }

  private func translate(
    _ model: Model, _ plan: QuantizationPlan?
  ) throws(Failure) -> MSLiteModel {
    if let plan { Quantizer.apply(plan) }
    return try MSLiteTranslator.translate(
      model,
      options: .init(inputShapes: job.inputShapes, keepsInputLayout: job.keepsInputLayout))
  }

  /// Bytes of the file that a plan gives.
  private func byteCount(_ model: Model, _ plan: QuantizationPlan) throws(Failure) -> Int {
    var translated = try translate(model, plan)
    _ = MSLiteWeightStorage.code(&translated, pool: pool) { _, _ in }
    return try MSLiteWriter(translated).byteCount
  }

  private func pack(
    _ model: inout MSLiteModel, _ collector: SlabCollector
  ) -> [MSLiteWeightStorage.Stored] {
    observer?.began("quantize", total: collector.byteCount, of: .bytes)
    defer { observer?.ended() }
    return MSLiteWeightStorage.code(&model, pool: pool, onSlab: collector.collect)
  }

  private func write(_ writer: MSLiteWriter, _ collector: SlabCollector) throws(Failure) {
    let quantizes = !job.packsWeights && collector.byteCount > 0
    if quantizes { observer?.began("quantize", total: collector.byteCount, of: .bytes) }
    defer { if quantizes { observer?.ended() } }
    try writer.write(to: job.outputPath, pool: pool, onSlab: collector.collect)
  }

  /// Notes what the constants take in the file, and what rounding cost them.
  private func describe(
    _ outcome: inout ConversionOutcome, _ stored: [MSLiteWeightStorage.Stored],
    _ parameters: [TensorParameters]
  ) {
    let stored = Dictionary(grouping: stored, by: \.number)
    var number = 0
    for index in outcome.constants.indices where outcome.constants[index].recipe != nil {
      if let tensors = stored[number] {
        outcome.constants[index].storedByteCount = tensors.reduce(0) { $0 + $1.byteCount }
        outcome.constants[index].compression = tensors.first?.compression
      }
      let known = number < parameters.count && !parameters[number].scales.isEmpty
      if known { outcome.constants[index].signalToNoise = parameters[number].signalToNoise }
      number += 1
    }
  }
}
