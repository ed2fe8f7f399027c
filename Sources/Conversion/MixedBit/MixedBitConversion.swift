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
    /// What was rounded on samples, by number.
    var rounded: [Int: RoundedWeights]
    var facts: MixedBitFacts
    var warnings: [Diagnostic]
  }

  /// What a search asks the rest of the conversion.
  struct Questions {
    /// The bytes of the file that a plan gives, and what was rounded on samples for it.
    let byteCount: (QuantizationPlan, [Int: RoundedWeights]) throws(Failure) -> Int
    /// Rounds a plan's weights on samples, where that is asked for.
    let rounded: (QuantizationPlan) throws(Failure) -> [Int: RoundedWeights]
  }

  /// Samples that a search looks at, at most.
  private static let sampleLimit = 8
  /// Other samples that a cosine is judged on, at most, and the fewest that are enough.
  private static let judgingLimits = (least: 8, most: 16)
  /// How often a budget is spent again because rounding on samples took more than foreseen.
  private static let roundingTries = 3
  /// Mean bits at which it shows whether sensitivities help.
  private static let comparedBits = 4.0
  /// The cosine that `auto_tune` keeps.
  private static let tunedCosine = 0.995
  /// The cosine that it aims at on the samples, so that others keep that too.
  private static let aimedCosine = 0.9957

  /// Chooses steps or bits, and rounds on samples where that is asked for.
  ///
  /// - Parameter plan: which constants are quantized.
  /// - Throws: a model that can't be run where the search has to, wrong samples, and a model for
  ///   which no file can be made.
  func choose(
    _ model: Model, _ plan: QuantizationPlan, _ questions: Questions
  ) throws(Failure) -> Choice {
    let perChannel = mixed.perChannel && !job.writesMSLite
    let planner = MixedBitPlanner(settings, perChannel: perChannel, pool: pool)
    switch mixed.aim {
    case .relativeError(let error):
      return try choice(
        planner.plan(plan, relativeError: error), questions, relativeError: error)
    case .tuned(let trials):
      let found = try tuned(model, plan, planner, trials: trials)
      var result = try choice(
        planner.plan(plan, relativeError: found.error), questions, relativeError: found.error)
      result.facts.trialCount = found.trialCount
      result.facts.cosine = found.cosine
      result.warnings = found.warnings
      return result
    case .bytes, .share, .bits, .cosine:
      return try budgeted(model, plan, planner.survey(plan), questions)
    }
  }

  private func tuned(
    _ model: Model, _ plan: QuantizationPlan, _ planner: MixedBitPlanner, trials: Int
  ) throws(Failure) -> (error: Double, cosine: Double, trialCount: Int, warnings: [Diagnostic]) {
    let survey = planner.survey(plan)
    var (trial, warnings) = try makeTrial(model)
    let tuner = StepTuner(cosine: MixedBitConversion.aimedCosine, trials: trials)
    let found = try tuner.largestError { (error) throws(Failure) in
      try trial.cosine(planner.plan(plan, survey, relativeError: error))
    }
    if found.cosine < MixedBitConversion.tunedCosine {
      warnings.append(missed("auto_tune", found.cosine, MixedBitConversion.tunedCosine))
    }
    return (found.error, found.cosine, trial.count, warnings)
  }

  // MARK: Budgets

  private func budgeted(
    _ model: Model, _ plan: QuantizationPlan, _ survey: MixedBitSurvey, _ questions: Questions
  ) throws(Failure) -> Choice {
    var format = BudgetPlanner.Format.packed
    if case .bits = mixed.aim {} else if !job.writesMSLite { format = .elements }
    let choices = BudgetPlanner(settings, format: format, pool: pool).choices(plan, survey)
    var judgesCosine = false
    if case .cosine = mixed.aim { judgesCosine = true }
    let made =
      job.reportSamples != nil || judgesCosine ? try makeTrial(model) : (trial: nil, warnings: [])
    let table = try table(plan, choices, made.trial)
    var result: Choice
    switch mixed.aim {
    case .cosine(let target):
      let judge = try makeJudge(model) ?? made.trial
      let found = try CosineSearch(target: target, table: table).smallest {
        (plan) throws(Failure) in
        try judge?.carefulCosine(plan) ?? 1
      }
      result = try choice(found.plan, questions)
      result.facts.cosine = found.cosine
      if found.cosine < target { result.warnings = [missed("target_cosine", found.cosine, target)] }
    case .bits(let bits): result = try choice(table, bits: bits, questions)
    default: result = try choice(table, byteCount: targetByteCount(model), questions)
    }
    if let trial = made.trial {
      result.facts.trialCount = trial.count
      if result.facts.cosine == nil, result.rounded.isEmpty {
        result.facts.cosine = try trial.cosine(result.plan)
      }
    }
    result.warnings = made.warnings + result.warnings
    return result
  }

  /// The choices with sensitivities, where samples tell them and they help.
  private func table(
    _ plan: QuantizationPlan, _ choices: [[StorageChoice]], _ trial: MixedBitTrial?
  ) throws(Failure) -> BudgetTable {
    let table = BudgetTable(plan: plan, choices: choices, sensitivities: choices.map { _ in 1 })
    guard let trial else { return table }
    let weighted = BudgetTable(
      plan: plan, choices: choices, sensitivities: try Sensitivity.measure(plan, choices, trial))
    let bits = MixedBitConversion.comparedBits
    return try trial.cosine(weighted.plan(bits: bits)) > trial.cosine(table.plan(bits: bits))
      ? weighted : table
  }

  /// The best plan of so many bits. Rounding on samples spreads integers a little more, which an
  /// entropy code takes bits for: the budget is lowered by what is missing then.
  private func choice(
    _ table: BudgetTable, bits: Double, _ questions: Questions
  ) throws(Failure) -> Choice {
    var wanted = bits
    var result = try choice(table.plan(bits: wanted), questions)
    for _ in 1..<MixedBitConversion.roundingTries
    where !result.rounded.isEmpty && result.facts.meanBits > bits {
      wanted -= (result.facts.meanBits - bits) * 1.1
      result = try choice(table.plan(bits: wanted), questions)
    }
    if result.facts.meanBits > bits {
      result.warnings = [missed("target_bits", result.facts.meanBits, bits)]
    }
    return result
  }

  /// The best plan whose file has at most so many bytes; the same of rounding on samples.
  private func choice(
    _ table: BudgetTable, byteCount target: Int, _ questions: Questions
  ) throws(Failure) -> Choice {
    var wanted = target
    var result: Choice
    var size: Int
    var tries = 0
    repeat {
      let found = try table.plan(byteCount: wanted) { (plan) throws(Failure) in
        try questions.byteCount(plan, [:])
      }
      result = try choice(found.plan, questions)
      size = found.byteCount
      if result.rounded.isEmpty { break }
      size = try questions.byteCount(result.plan, result.rounded)
      wanted -= (size - target) * 11 / 10 + target / 4000
      tries += 1
    } while size > target && tries < MixedBitConversion.roundingTries
    if size > target {
      result.warnings = [missed("target_size", Double(size), Double(target))]
    }
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
      let first = 0..<min(samples.count, MixedBitConversion.sampleLimit)
      return (try trial(model, samples, first), [])
    }
    let made = try MadeFeeds(model, shapes: job.inputShapes).tensors()
    let feeds = Dictionary(made) { first, _ in first }
    let warning = Diagnostic(
      .judgedOnRandomInput, "the search for bits judges results on random input",
      severity: .warning, notes: ["random numbers say little of how the model treats real data"],
      help: "give samples in [data_preprocess_param]")
    return (try MixedBitTrial(model, feeds: [feeds], pool: pool), [warning])
  }

  /// A trial on samples that sensitivities weren't measured on; nil where there are too few.
  private func makeJudge(_ model: Model) throws(Failure) -> MixedBitTrial? {
    guard let samples = try job.reportSamples?.open(model, shapes: job.inputShapes) else {
      return nil
    }
    let (least, most) = MixedBitConversion.judgingLimits
    let others = MixedBitConversion.sampleLimit..<max(MixedBitConversion.sampleLimit, samples.count)
    guard others.count >= least else { return nil }
    return try trial(model, samples, others.prefix(most))
  }

  private func trial(
    _ model: Model, _ samples: CalibrationSet, _ chosen: Range<Int>
  ) throws(Failure) -> MixedBitTrial {
    let feeds = try chosen.map { index throws(Failure) in try samples.sample(index) }
    return try MixedBitTrial(model, feeds: feeds, pool: pool)
  }

  private func missed(_ key: String, _ found: Double, _ wanted: Double) -> Diagnostic {
    Diagnostic(
      .targetMissed,
      "\(key) asks for \(NumberText.significant(wanted, 6)), and the nearest is "
        + NumberText.significant(found, 6),
      severity: .warning, notes: ["the nearest is what is written"],
      help: "quantize fewer tensors with skip_quant_node or min_quant_weight_size, or aim lower")
  }

  private func choice(
    _ plan: QuantizationPlan, _ questions: Questions, relativeError: Double? = nil
  ) throws(Failure) -> Choice {
    let rounded = try questions.rounded(plan)
    let plan = plan.noting(rounded)
    let quantized = plan.quantized
    let weights = quantized.reduce(0) { $0 + $1.plan.source.elementCount }
    let bits = quantized.reduce(0) {
      $0 + $1.recipe.effectiveBits * Double($1.plan.source.elementCount)
    }
    return Choice(
      plan: plan, rounded: rounded,
      facts: MixedBitFacts(
        meanBits: bits / Double(max(1, weights)), packedByteCount: Int(bits / 8),
        relativeError: relativeError),
      warnings: [])
  }
}
