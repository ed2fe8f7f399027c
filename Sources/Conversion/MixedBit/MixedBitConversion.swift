import Glibc
import ModelGraph
import Quantization
import SampleData
import Support

/// Chooses how each weight tensor is quantized where the number of bits is left open.
struct MixedBitConversion {
  let job: ConversionJob
  let mixed: MixedBitJob
  let settings: WeightQuantizationSettings
  let pool: WorkerPool
  let observer: (any ConversionObserver)?

  /// What was chosen.
  struct Choice {
    var plan: QuantizationPlan
    var facts: MixedBitFacts
    var warnings: [Diagnostic]
  }

  /// Samples that a search looks at, at most.
  private static let sampleLimit = 8
  /// Mean bits at which it shows whether sensitivities help.
  private static let comparedBits = 4.0
  /// The cosine that `auto_tune` keeps.
  private static let tunedCosine = 0.995
  /// The cosine that it aims at on the samples, so that others keep that too.
  private static let aimedCosine = 0.9957

  /// Chooses steps or bits.
  ///
  /// - Parameters:
  ///   - plan: which constants are quantized.
  ///   - measure: the bytes of the file that a plan gives.
  /// - Throws: a model that can't be run where the search has to, wrong samples, and a model for
  ///   which no file can be made.
  func choose(
    _ model: Model, _ plan: QuantizationPlan, measure: (QuantizationPlan) throws(Failure) -> Int
  ) throws(Failure) -> Choice {
    let perChannel = mixed.perChannel && !job.writesMSLite
    let planner = MixedBitPlanner(settings, perChannel: perChannel, pool: pool)
    let survey = planner.survey(plan)
    switch mixed.aim {
    case .relativeError(let error):
      return choice(planner.plan(plan, survey, relativeError: error), relativeError: error)
    case .tuned(let trials):
      var (trial, warnings) = try makeTrial(model)
      let tuner = StepTuner(cosine: MixedBitConversion.aimedCosine, trials: trials)
      let found = try tuner.largestError { (error) throws(Failure) in
        try trial.cosine(planner.plan(plan, survey, relativeError: error))
      }
      if found.cosine < MixedBitConversion.tunedCosine {
        warnings.append(missed("auto_tune", found.cosine, MixedBitConversion.tunedCosine))
      }
      var result = choice(
        planner.plan(plan, survey, relativeError: found.error), relativeError: found.error)
      result.facts.trialCount = trial.count
      result.facts.cosine = found.cosine
      result.warnings = warnings
      return result
    case .bytes, .share, .bits, .cosine:
      return try budgeted(model, plan, survey, measure)
    }
  }

  // MARK: Budgets

  private func budgeted(
    _ model: Model, _ plan: QuantizationPlan, _ survey: MixedBitSurvey,
    _ measure: (QuantizationPlan) throws(Failure) -> Int
  ) throws(Failure) -> Choice {
    var format = BudgetPlanner.Format.packed
    if case .bits = mixed.aim {} else if !job.writesMSLite { format = .elements }
    let choices = BudgetPlanner(settings, format: format, pool: pool).choices(plan, survey)
    var warnings: [Diagnostic] = []
    var trial: MixedBitTrial?
    var judgesCosine = false
    if case .cosine = mixed.aim { judgesCosine = true }
    if job.reportSamples != nil || judgesCosine {
      let made = try makeTrial(model)
      trial = made.trial
      warnings = made.warnings
    }
    var table = BudgetTable(plan: plan, choices: choices, sensitivities: choices.map { _ in 1 })
    if let trial {
      let weighted = BudgetTable(
        plan: plan, choices: choices, sensitivities: try Sensitivity.measure(plan, choices, trial))
      let bits = MixedBitConversion.comparedBits
      if try trial.cosine(weighted.plan(bits: bits)) > trial.cosine(table.plan(bits: bits)) {
        table = weighted
      }
    }
    var result: Choice
    switch mixed.aim {
    case .cosine(let target):
      let search = CosineSearch(target: target, table: table)
      let found = try search.smallest { (plan) throws(Failure) in
        try trial?.cosine(plan) ?? 1
      }
      result = choice(found.plan)
      result.facts.cosine = found.cosine
      if found.cosine < target { warnings.append(missed("target_cosine", found.cosine, target)) }
    case .bits(let bits):
      let chosen = table.plan(bits: bits)
      result = choice(chosen)
      if result.facts.meanBits > bits {
        warnings.append(missed("target_bits", result.facts.meanBits, bits))
      }
    default:
      let target = targetByteCount(model)
      let (chosen, size) = try table.plan(byteCount: target, measure: measure)
      result = choice(chosen)
      if size > target { warnings.append(missed("target_size", Double(size), Double(target))) }
    }
    result.facts.trialCount = trial?.count ?? 0
    if let trial, result.facts.cosine == nil { result.facts.cosine = try trial.cosine(result.plan) }
    result.warnings = warnings
    return result
  }

  private func targetByteCount(_ model: Model) -> Int {
    switch mixed.aim {
    case .bytes(let bytes): bytes
    case .share(let share):
      Int(share * Double((try? MappedFile(path: job.modelPath).count) ?? 0))
    default: 0
    }
  }

  // MARK: Shared

  private func makeTrial(
    _ model: Model
  ) throws(Failure) -> (trial: MixedBitTrial, warnings: [Diagnostic]) {
    if let samples = try job.reportSamples?.open(model, shapes: job.inputShapes) {
      let count = min(samples.count, MixedBitConversion.sampleLimit)
      let feeds = try (0..<count).map { index throws(Failure) in try samples.sample(index) }
      return (try MixedBitTrial(model, feeds: feeds, threads: pool.workerCount), [])
    }
    let made = try MadeFeeds(model, shapes: job.inputShapes).tensors()
    let feeds = Dictionary(made) { first, _ in first }
    let warning = Diagnostic(
      .judgedOnRandomInput, "the search for bits judges results on random input",
      severity: .warning, notes: ["random numbers say little of how the model treats real data"],
      help: "give samples in [data_preprocess_param]")
    return (try MixedBitTrial(model, feeds: [feeds], threads: pool.workerCount), [warning])
  }

  private func missed(_ key: String, _ found: Double, _ wanted: Double) -> Diagnostic {
    Diagnostic(
      .targetMissed,
      "\(key) asks for \(NumberText.significant(wanted, 6)), and the nearest is "
        + NumberText.significant(found, 6),
      severity: .warning, notes: ["the nearest is what is written"],
      help: "quantize fewer tensors with skip_quant_node or min_quant_weight_size, or aim lower")
  }

  private func choice(_ plan: QuantizationPlan, relativeError: Double? = nil) -> Choice {
    let quantized = plan.quantized
    let weights = quantized.reduce(0) { $0 + $1.plan.source.elementCount }
    let bits = quantized.reduce(0) {
      $0 + $1.recipe.effectiveBits * Double($1.plan.source.elementCount)
    }
    return Choice(
      plan: plan,
      facts: MixedBitFacts(
        meanBits: bits / Double(max(1, weights)), packedByteCount: Int(bits / 8),
        relativeError: relativeError),
      warnings: [])
  }
}
