import GraphPasses
import Inference
import ModelFormats
import ModelGraph
import Quantization
import Reports
import SampleData
import Support

/// Quantizes weights and activations: fold, plan, calibrate, quantize, write, compare.
struct FullConversion {
  let job: ConversionJob
  let full: FullJob
  let destination: Destination
  let pool: WorkerPool
  let observer: (any ConversionObserver)?

  /// What a conversion of a loaded model did.
  ///
  /// Where nothing is to be written, as many samples are looked at as there are workers: the size then
  /// differs by little from what it will be. The comparison, which runs two models, takes about
  /// twice the memory that calibration adds.
  func run(_ model: Model, facts: ModelFacts, trial: TrialRun?) throws(Failure) -> (
    outcome: ConversionOutcome, warnings: [Diagnostic]
  ) {
    let start = ProcessUsage.seconds
    let samples = try full.samples.open(model, shapes: job.inputShapes)
    let firstSample = try samples.firstSample()
    try destination.prepareFull(model)
    let planner = FullPlanner(full.settings)
    var plan = planner.plan(model.graph)
    guard !plan.operations.isEmpty else { throw nothingQuantized(plan) }
    var outcome = ConversionOutcome(
      model: facts, constants: [],
      operatorSets: (model.standardOperatorVersion, model.standardOperatorVersion),
      outputByteCount: 0, predictedPeakByteCount: 0, files: [], seconds: 0)
    outcome.full = FullFacts(
      sampleCount: samples.count, firstSample: firstSample, integerOperatorCount: 0,
      floatOperators: [], activationCount: 0, calibrationSeconds: 0)
    outcome.full?.runtime = full.settings.profile.name
    describe(plan, in: &outcome)
    let peakBefore = ProcessUsage.peakResidentByteCount
    var calibrated = try calibrate(model, plan, samples)
    if !job.isDryRun, let whole = calibrated.wholeRangeFacts {
      let trial = try FullTrial(conversion: self, calibrated: calibrated, samples: samples)
        .compareRanges(with: whole)
      outcome.full?.rangeTrial = trial
      if trial.prefersPlain { calibrated.facts = whole }
    }
    plan = planner.plan(model.graph, unusable: calibrated.unusable(in: plan))
    guard !plan.operations.isEmpty else { throw nothingQuantized(plan) }
    outcome.full?.calibrationSeconds = calibrated.seconds
    describe(plan, in: &outcome)
    outcome.full?.integerShare = integerShare(plan, MultiplyAdds(shapes: calibrated.shapes))
    var warnings = CalibrationWarnings(graph: model.graph, facts: calibrated.facts).diagnostics
    var outline = ReportOutline(model.graph, absorbing: plan.operations)
    let (rounded, rounding) = try betterRounding(calibrated, samples)
    outcome.full?.roundingTrial = rounding
    if job.roundsOnSamples, rounding == nil {
      warnings.append(SampledRounding.nothingRounded(job.modelPath))
    }
    let (operations, pairs) = try quantize(model, plan, calibrated.facts, rounded)
    outcome.constants = operations.map { quantizedFacts($0) } + floatFacts(plan)
    if !job.writesMSLite { outcome.operatorSets.after = model.standardOperatorVersion }
    let result = try destination.layOut(model, runs: !job.isDryRun)
    warnings += result.warnings
    outcome.outputByteCount = result.byteCount
    if job.isDryRun {
      let peak = ProcessUsage.peakResidentByteCount
      outcome.predictedPeakByteCount = peak + (peak - peakBefore)
      outcome.seconds = ProcessUsage.seconds - start
      return (outcome, result.warnings)
    }
    outcome.files = try destination.write(result)
    let runnable = destination.runnablePath(result)
    outcome.quality = try assess(runnable, samples)
    outline.note(operations)
    outline.note(pairs)
    outline.rename(types: result.operatorTypes)
    warnings += report(
      outline,
      FullParameters(
        operations, pairs, shapes: calibrated.shapes, types: result.operatorTypes), samples,
      runnable,
      &outcome)
    outcome.trial = try trial?.run(runnable, threads: job.threads)
    outcome.seconds = ProcessUsage.seconds - start
    return (outcome, warnings)
  }

  /// Gives a graph the plan's integers; those of some weights may be chosen already, by the
  /// operation's number.
  func quantize(
    _ model: Model, _ plan: FullPlan, _ facts: [String: ActivationFacts],
    _ rounded: [Int: RoundedWeights] = [:]
  ) throws(Failure) -> (operations: [QuantizedOperation], pairs: [InsertedPair]) {
    let operations = FullQuantizer(plan, full.settings, facts: facts, pool: pool)
      .apply(to: model.graph, rounded: rounded)
    return (operations, try insertPairs(in: model))
  }

  /// Writes quantized activations as pairs of operators.
  func insertPairs(in model: Model) throws(Failure) -> [InsertedPair] {
    UnusedRemoval.removeConstants(from: model.graph)
    try OpsetUpgrade.raise(model, to: max(13, model.standardOperatorVersion))
    return QuantizeLinearInsertion.apply(to: model)
  }

  /// How the runtime computes with integers.
  private var arithmetic: QuantizedArithmetic {
    let profile = full.settings.profile
    if profile.roundsInFixedPoint { return .fixedPoint }
    return profile.fusesIntegerOperators ? .integer : .simulated
  }

  /// Compares what was quantized with the float model.
  func assess(_ path: String, _ samples: CalibrationSet) throws(Failure) -> QualityReport {
    try Assessment(
      job: job, writtenPath: path, pool: pool, observer: observer,
      arithmetic: arithmetic
    ).run(samples, calibrated: samples.count)
  }

  private func describe(_ plan: FullPlan, in outcome: inout ConversionOutcome) {
    outcome.full?.integerOperatorCount =
      plan.operations.count + plan.functions.count { !$0.outputs.isEmpty }
    outcome.full?.activationCount = plan.groups.count
    outcome.full?.floatOperators = plan.floats.map {
      ($0.node.displayName, $0.node.operatorType, $0.reason.text)
    }
  }

  private func integerShare(_ plan: FullPlan, _ count: MultiplyAdds) -> Double? {
    let integers = plan.operations.map { count.count($0.node, result: $0.output) ?? 0 }
    let floats = plan.floats.map { count.count($0.node) ?? 0 }
    let (done, left) = (integers.reduce(0, +), floats.reduce(0, +))
    return done + left > 0 ? Double(done) / Double(done + left) : nil
  }

  private func report(
    _ outline: ReportOutline, _ parameters: FullParameters, _ samples: CalibrationSet,
    _ runnable: String, _ outcome: inout ConversionOutcome
  ) -> [Diagnostic] {
    guard let folder = job.reportFolder else { return [] }
    var reports = DebugReports(
      folder: folder, outputPath: runnable, pool: pool, observer: observer)
    reports.write(parameters.tensors)
    outcome.report = reports.writeRounds(
      outline,
      .init(
        count: samples.count, input: .samples,
        feeds: { (index) throws(Failure) in try samples.sample(index) })
    ) { () throws(Failure) in
      let float = try QuantizedInput(job: job).load().model
      try destination.prepareFull(float)
      return float
    }
    outcome.files += reports.files
    return reports.warnings
  }

  // MARK: Facts

  private func quantizedFacts(_ operation: QuantizedOperation) -> ConstantFacts {
    var facts = ConstantFacts(
      tensor: operation.weights.originalName ?? operation.weights.name, node: operation.nodeName,
      operatorType: operation.node.operatorType, userCount: 1,
      dimensions: operation.weights.dimensions, floatByteCount: operation.elementCount * 4,
      storedByteCount: operation.elementCount + operation.parameters.scales.count * 5)
    facts.recipe = operation.recipe
    facts.signalToNoise = operation.parameters.signalToNoise
    return facts
  }

  private func floatFacts(_ plan: FullPlan) -> [ConstantFacts] {
    plan.floats.compactMap { floatFacts($0.node, $0.reason) }
  }

  private func floatFacts(_ node: Node, _ reason: FloatOperatorReason) -> ConstantFacts? {
    guard node.inputs.count > 1, let weights = node.inputs[1], let source = weights.constant
    else { return nil }
    var facts = ConstantFacts(
      tensor: weights.name, node: node.displayName, operatorType: node.operatorType, userCount: 1,
      dimensions: source.dimensions, floatByteCount: source.byteCount,
      storedByteCount: source.byteCount)
    facts.floatReason = .operatorStaysFloat(reason)
    return facts
  }

  private func nothingQuantized(_ plan: FullPlan) -> Failure {
    var notes = plan.floats.prefix(5).map { float in
      "'\(float.node.displayName)' (\(float.node.operatorType)): \(float.reason.text)"
    }
    if plan.floats.isEmpty { notes = ["no supported operator has constant weights"] }
    if plan.floats.count > 5 { notes.append("and \(plan.floats.count - 5) more") }
    return Failure([
      Diagnostic(
        .nothingQuantized, "no operator of '\(job.modelPath)' would run in integers", notes: notes)
    ])
  }
}
