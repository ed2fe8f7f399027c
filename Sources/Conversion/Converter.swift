import ModelFormats
import ModelGraph
import Quantization
import Reports
import SampleData
import Support

/// Runs conversions: the only place that sees all rooms.
public struct Converter {
  private let job: ConversionJob
  private let observer: (any ConversionObserver)?
  private let pool: WorkerPool

  /// A converter for one job.
  public init(_ job: ConversionJob, observer: (any ConversionObserver)? = nil) {
    self.job = job
    self.observer = observer
    pool = WorkerPool(threads: job.threads)
  }

  /// Converts, or plans only in a dry run.
  ///
  /// - Returns: what was done, and what deserves attention.
  /// - Throws: whatever stops the conversion; nothing is written then, except where the result was
  ///   written and did not run.
  public func run() throws(Failure) -> (outcome: ConversionOutcome, warnings: [Diagnostic]) {
    let start = ProcessUsage.seconds
    try OutputPreflight.check(job)
    let destination = Destination(job: job, pool: pool)
    try destination.check()
    let source = QuantizedInput(job: job)
    let loaded = try source.load()
    let model = loaded.model
    let facts = loaded.facts
    let trial = job.runsResult ? try TrialRun(model, shapes: job.inputShapes) : nil
    let planner = WeightPlanner(destination.weightSettings, pool: pool)
    if job.quantizesWeights { try checkPatterns(planner, model) }
    if let full = job.full, !loaded.isKeptQuantized {
      var (outcome, warnings) = try FullConversion(
        job: job, full: full, destination: destination, pool: pool, observer: observer
      ).run(model, facts: facts, trial: trial)
      outcome.brought = loaded.brought
      outcome.seconds = ProcessUsage.seconds - start
      return (outcome, source.warnings(loaded) + warnings)
    }
    if job.transform != nil, !job.quantizesWeights, loaded.brought == nil, !job.writesMSLite {
      throw nothingBrought
    }
    let before = loaded.operatorSet
    try destination.prepare(model)
    let comparison = job.isDryRun ? nil : try comparisonInput(model)
    let dynamic = try DynamicConversion(
      job, model, comparison?.samples, pool: pool, observer: observer)
    var plan =
      dynamic?.plan.weights ?? (job.quantizesWeights && job.full == nil ? planner.plan(model) : nil)
    var warnings =
      source.warnings(loaded) + destination.warnings + (plan.map(weightWarnings) ?? [])
    if let plan, plan.quantized.isEmpty, !loaded.isKeptQuantized {
      throw nothingQuantized(plan, warnings)
    }
    FreedMemory.giveBack()

    var outline = ReportOutline(model.graph)
    let round = { (plan: QuantizationPlan) throws(Failure) in
      try roundedOnSamples(plan, model, comparison, destination)
    }
    let mixed = try chooseBits(plan, model, destination, round)
    if let mixed { (plan, warnings) = (mixed.plan, warnings + mixed.warnings) }
    if let plan {
      let rounded = if let mixed { mixed.rounded } else { try round(plan) }
      if job.roundsOnSamples, !job.isDryRun, rounded.isEmpty {
        let obstacles = FeedbackLayer.obstacles(of: plan, in: model.graph)
        warnings.append(SampledRounding.nothingRounded(job.modelPath, obstacles))
      }
      SampledRounding.correctBiases(rounded, plan, in: model)
      Quantizer.apply(plan, rounded: rounded)
    }
    if let dynamic {
      dynamic.divideActivations(of: model)
    } else {
      try destination.lookRowsUp(model, &outline)
    }
    let collector = SlabCollector(plan, observer)
    let result = try destination.layOut(
      model, runs: !job.isDryRun && (comparison != nil || trial != nil || job.reportFolder != nil),
      collector: collector
    ) { (model) throws(Failure) in try dynamic?.apply(to: model, &outline) }
    warnings += result.warnings
    outline.rename(types: result.operatorTypes)
    var outcome = ConversionOutcome(
      model: facts, constants: plan?.constants.map(constantFacts) ?? [],
      operatorSets: (before, job.writesMSLite ? before : model.standardOperatorVersion),
      outputByteCount: result.byteCount,
      predictedPeakByteCount: plan.map {
        MemoryForecast($0, workers: pool.workerCount).peakByteCount
      } ?? facts.byteCount, files: [], mixed: mixed?.facts, seconds: 0)
    outcome.dynamic = dynamic?.facts
    outcome.brought = loaded.brought
    if job.isDryRun, mixed != nil, let plan, !collector.isComplete {
      collector.predict(plan, pool: pool)
    }
    if !job.isDryRun {
      let runnable = destination.runnablePath(result)
      let files = try write(result, destination, collector)
      if let dynamic {
        dynamic.note(collector.parameters, in: &outline)
      } else if let plan {
        outline.restoreIntegers(plan, collector.parameters)
      }
      outcome.files = files
      if let comparison { outcome.quality = try assess(comparison, runnable, &warnings) }
      if let plan {
        warnings += report(
          outline, plan, collector.parameters, destination, runnable, result.operatorTypes, &outcome
        )
      }
      outcome.trial = try trial?.run(runnable, threads: job.threads)
    }
    note(result.stored, collector.parameters, in: &outcome)
    outcome.seconds = ProcessUsage.seconds - start
    return (outcome, warnings)
  }

  /// The bits of each tensor, where they are left open.
  private func chooseBits(
    _ plan: QuantizationPlan?, _ model: Model, _ destination: Destination,
    _ round: @escaping (QuantizationPlan) throws(Failure) -> [Int: RoundedWeights]
  ) throws(Failure) -> MixedBitConversion.Choice? {
    guard let mixed = job.mixed, let plan else { return nil }
    let questions = MixedBitConversion.Questions(
      byteCount: { (plan, rounded) throws(Failure) in
        Quantizer.apply(plan, rounded: rounded)
        return try destination.byteCount(model)
      }, rounded: round)
    return try MixedBitConversion(
      job: job, mixed: mixed, settings: destination.weightSettings, pool: pool, observer: observer
    ).choose(model, plan, questions)
  }

  /// Notes what the constants take in the file, and what rounding cost them.
  private func note(
    _ stored: [MSLiteWeightStorage.Stored], _ parameters: [TensorParameters],
    in outcome: inout ConversionOutcome
  ) {
    let stored = Dictionary(grouping: stored, by: \.number)
    var number = 0
    for index in outcome.constants.indices where outcome.constants[index].recipe != nil {
      if let tensors = stored[number] {
        outcome.constants[index].storedByteCount = tensors.reduce(0) { $0 + $1.byteCount }
        outcome.constants[index].compression = tensors.first?.compression
      }
      if number < parameters.count, !parameters[number].scales.isEmpty {
        outcome.constants[index].signalToNoise = parameters[number].signalToNoise
      }
      number += 1
    }
  }

  /// What is rounded on samples, by number; nothing unless that is asked for.
  private func roundedOnSamples(
    _ plan: QuantizationPlan, _ model: Model, _ input: ComparisonInput?,
    _ destination: Destination
  ) throws(Failure) -> [Int: RoundedWeights] {
    guard job.roundsOnSamples, let samples = input?.samples else { return [:] }
    let running = try QuantizedInput(job: job).load().model
    try destination.prepare(running)
    let layers = FeedbackLayer.layers(
      of: plan, in: model.graph, correctsMeans: job.weights.biasCorrection)
    return try SampledRounding(pool: pool, observer: observer)
      .run(layers, running: running, samples)
  }

  private func checkPatterns(_ planner: WeightPlanner, _ model: Model) throws(Failure) {
    let unmatched = Set(planner.unmatchedPatterns(in: model))
    guard !unmatched.isEmpty else { return }
    let names = model.graph.allGraphs.flatMap(\.nodes).map(\.displayName)
    let stated = job.weights.skipped.enumerated().filter { unmatched.contains($0.element) }
    throw Failure(
      stated.map { number, pattern in
        let near = Spelling.nearest(to: pattern.text, among: names)
        var location = number < job.skipLocations.count ? job.skipLocations[number] : nil
        location?.label = near.map { "did you mean '\($0)'?" }
        return Diagnostic(
          .patternMatchesNothing, "skip_quant_node: '\(pattern.text)' matches no node of the model",
          location: location, help: "`gsconvert inspect --verbose MODEL` lists the nodes")
      })
  }

  private func weightWarnings(_ plan: QuantizationPlan) -> [Diagnostic] {
    func isSkipped(_ node: Node) -> Bool { job.weights.skipped.contains { $0.matches(node) } }
    return plan.constants.compactMap { constant in
      switch constant.decision {
      case .quantize:
        guard let skipped = constant.nodes.first(where: isSkipped),
          let other = constant.nodes.first(where: { !isSkipped($0) })
        else { return nil }
        return Diagnostic(
          .skippedSharesWeights,
          "the weights '\(constant.value.name)' of the skipped \(skipped.operatorType) "
            + "'\(skipped.displayName)' become integers all the same",
          severity: .warning, location: .init(file: job.modelPath),
          notes: [
            "\(other.operatorType) '\(other.displayName)' reads them too; they are stored once"
          ],
          help: "name '\(other.displayName)' in skip_quant_node as well")
      case .stayFloat(let reason) where reason == .nonFinite || reason == .rangeTooWide:
        return Diagnostic(
          .nonFiniteWeight,
          "the weights '\(constant.value.name)' of \(constant.nodes[0].operatorType) "
            + "'\(constant.nodes[0].displayName)' stay float: \(reason.text)",
          severity: .warning, location: .init(file: job.modelPath),
          help: "look at the training; the float model has the same values")
      default: return nil
      }
    }
  }

  private var nothingBrought: Failure {
    Failure(
      .nothingQuantized, "'\(job.modelPath)' brings no quantization along",
      notes: ["without quant_type the result would be a copy"],
      help: "add quant_type=WEIGHT_QUANT to [common_quant_param]")
  }

  private func nothingQuantized(
    _ plan: QuantizationPlan, _ warnings: [Diagnostic]
  ) -> Failure {
    var notes = plan.constants.prefix(5).map { constant in
      guard case .stayFloat(let reason) = constant.decision else { return "" }
      return "'\(constant.value.name)' of '\(constant.nodes[0].displayName)': \(reason.text)"
    }
    if plan.constants.isEmpty { notes = ["no supported operator has constant weights"] }
    if plan.constants.count > 5 { notes.append("and \(plan.constants.count - 5) more") }
    return Failure(
      warnings + [
        Diagnostic(
          .nothingQuantized, "no weight of '\(job.modelPath)' would be quantized", notes: notes,
          help: Converter.remedies(plan))
      ])
  }

  /// The keys that keep weights float, those that matter here.
  private static func remedies(_ plan: QuantizationPlan) -> String? {
    var remedies: [String] = []
    for constant in plan.constants {
      guard case .stayFloat(let reason) = constant.decision else { continue }
      let remedy: String? =
        switch reason {
        case .skipped: "shorten skip_quant_node"
        case .notAboveMinSize: "lower min_quant_weight_size"
        case .notAboveMinChannel: "lower min_quant_weight_channel"
        case .tooFewPerChannel: "set bias_correction=false"
        default: nil
        }
      if let remedy, !remedies.contains(remedy) { remedies.append(remedy) }
    }
    return remedies.isEmpty ? nil : remedies.joined(separator: ", or ")
  }

  private func constantFacts(_ plan: ConstantPlan) -> ConstantFacts {
    var facts = ConstantFacts(
      tensor: plan.value.name, node: plan.nodes[0].displayName,
      operatorType: plan.nodes[0].operatorType, userCount: plan.nodes.count,
      dimensions: plan.source.dimensions, floatByteCount: plan.source.byteCount,
      storedByteCount: plan.source.byteCount)
    switch plan.decision {
    case .stayFloat(let reason):
      facts.floatReason = reason
      if let kept = plan.value.quantized {
        facts.floatByteCount = kept.storage.elementType.byteCount(of: plan.source.elementCount) ?? 0
        facts.storedByteCount = facts.floatByteCount
      }
    case .quantize(let recipe):
      facts.recipe = recipe
      facts.storedByteCount = recipe.elementByteCount(plan.source)
    }
    return facts
  }

  /// Writes the model; the collector gets the parameters of what wasn't encoded before.
  private func write(
    _ result: Destination.Result, _ destination: Destination, _ collector: SlabCollector
  ) throws(Failure) -> [String] {
    let quantizes = !collector.isComplete
    if quantizes { observer?.began("quantize", total: collector.byteCount, of: .bytes) }
    defer { if quantizes { observer?.ended() } }
    return try destination.write(result, onSlab: collector.collect)
  }

  /// Writes the reports: the distributions of one round, on the first calibration sample or, without
  /// any, on random input.
  private func report(
    _ outline: ReportOutline, _ plan: QuantizationPlan, _ parameters: [TensorParameters],
    _ destination: Destination, _ runnable: String, _ types: [String: String],
    _ outcome: inout ConversionOutcome
  ) -> [Diagnostic] {
    guard let folder = job.reportFolder else { return [] }
    var reports = DebugReports(
      folder: folder, outputPath: runnable, pool: pool, observer: observer)
    reports.write(Converter.tensors(plan, parameters, types))
    do throws(Failure) {
      let float = try QuantizedInput(job: job).load().model
      try destination.prepare(float)
      outcome.report = reports.writeRounds(outline, try round(float)) { float }
    } catch {
      reports.warn(error)
    }
    outcome.files += reports.files
    return reports.warnings
  }

  /// What the written model will be compared on: samples where there are some, random input only if
  /// a cosine is asked for. Wrong samples are told here, before anything is written.
  private func comparisonInput(_ model: Model) throws(Failure) -> ComparisonInput? {
    if let samples = try job.reportSamples?.open(model, shapes: job.inputShapes) {
      return .samples(samples)
    }
    guard job.minCosine != nil else { return nil }
    return .random(try MadeFeeds(model, shapes: job.inputShapes))
  }

  private enum ComparisonInput {
    case samples(CalibrationSet)
    case random(MadeFeeds)

    var samples: CalibrationSet? { if case .samples(let samples) = self { samples } else { nil } }
  }

  /// Compares the results; that a model doesn't run here fails a conversion only if a cosine is asked
  /// for.
  private func assess(
    _ input: ComparisonInput, _ runnable: String, _ warnings: inout [Diagnostic]
  ) throws(Failure) -> QualityReport? {
    let assessment = Assessment(
      job: job, writtenPath: runnable, pool: pool, observer: observer)
    do throws(Failure) {
      switch input {
      case .samples(let samples):
        return try assessment.run(samples, calibrated: job.usesSamples ? samples.count : 0)
      case .random(let feeds): return try assessment.run(feeds)
      }
    } catch {
      guard job.minCosine == nil, let first = error.diagnostics.first else { throw error }
      warnings.append(
        Diagnostic(
          .reportFailed, "the models could not be compared: \(first.message)", severity: .warning,
          location: first.location, notes: first.notes, help: "the model itself is written"))
      return nil
    }
  }

  private func round(_ model: Model) throws(Failure) -> DebugReports.Rounds {
    if let samples = try job.reportSamples?.open(model, shapes: job.inputShapes) {
      return .init(
        count: 1, input: .firstSample,
        feeds: { (index) throws(Failure) in try samples.sample(index) })
    }
    let made = try MadeFeeds(model, shapes: job.inputShapes)
    return .init(
      count: 1, input: .random,
      feeds: { (_) throws(Failure) in Dictionary(try made.tensors()) { first, _ in first } })
  }

  /// Each quantized constant under each node that uses it.
  private static func tensors(
    _ plan: QuantizationPlan, _ parameters: [TensorParameters], _ types: [String: String]
  ) -> [QuantizedTensor] {
    zip(plan.quantized, parameters).flatMap { entry, parameters in
      entry.plan.nodes.map { node in
        QuantizedTensor(
          node: node.displayName,
          operatorType: types[node.displayName] ?? node.operatorType, tensor: entry.plan.value.name,
          dimensions: entry.plan.source.dimensions, scales: parameters.scales,
          zeroPoints: parameters.zeroPoints, offsets: parameters.offsets,
          bits: entry.recipe.effectiveBits)
      }
    }
  }
}
