import Calibration
import ModelGraph
import Quantization
import SampleData
import Statistics
import Support

/// The part of a full quantization that looks at samples.
extension FullConversion {
  func calibrate(
    _ model: Model, _ plan: FullPlan, _ samples: CalibrationSet
  ) throws(Failure) -> Calibrated {
    let start = ProcessUsage.seconds
    let shapesOnly = plan.floats.flatMap { MultiplyAdds.activations(of: $0.node) }.map {
      Calibrator.Target(name: $0.name, trailingAxes: nil, needsStatistics: false)
    }
    let calibrator = try Calibrator(
      model: model,
      targets: plan.groups.flatMap(\.values).map { value in
        .init(name: value.name, trailingAxes: plan.trailingAxes(of: value))
      } + shapesOnly, request: full.method.request)
    let count = job.isDryRun ? min(samples.count, pool.workerCount) : samples.count
    observer?.began("calibrate", total: count, of: .samples)
    defer { observer?.ended() }
    let gathered = try calibrator.run(
      count, workers: pool,
      sample: { (index) throws(Failure) in try samples.sample(index) },
      finished: { [observer] in observer?.advanced(by: 1) })
    let profile = full.settings.profile
    let grid = IntegerGrid(
      levels: profile.activationIntegers.count, isSymmetric: profile.hasSymmetricActivations)
    let names = plan.observedNames.sorted()
    func facts(_ method: RangeMethod) -> [String: ActivationFacts] {
      let facts = pool.map(names.count) { index in
        gathered[names[index]].flatMap { ActivationFacts($0, method: method, grid: grid) }
      }
      return Dictionary(zip(names, facts)) { first, _ in first }.compactMapValues { $0 }
    }
    return Calibrated(
      facts: facts(full.method), wholeRangeFacts: full.method == .auto ? facts(.maxMin) : nil,
      shapes: gathered.mapValues(\.shape), seconds: ProcessUsage.seconds - start)
  }

  /// A second copy of the model, and its plan.
  func copy(_ calibrated: Calibrated) throws(Failure) -> (model: Model, plan: FullPlan) {
    let model = try QuantizedInput(job: job).load().model
    try destination.prepareFull(model)
    let planner = FullPlanner(full.settings)
    let unusable = calibrated.unusable(in: planner.plan(model.graph))
    return (model, planner.plan(model.graph, unusable: unusable))
  }

  /// The weights that are rounded on samples, by the operation's number, where the results are no
  /// worse for it; none unless that is asked for.
  ///
  /// - Returns: the weights, and how the two did; nil where none can be rounded so.
  func betterRounding(
    _ calibrated: Calibrated, _ samples: CalibrationSet
  ) throws(Failure) -> (rounded: [Int: RoundedWeights], trial: ComparisonFacts?) {
    guard job.roundsOnSamples, !job.isDryRun else { return ([:], nil) }
    let rounded = try roundedOnSamples(calibrated, samples)
    guard !rounded.isEmpty else { return ([:], nil) }
    let trial = try FullTrial(conversion: self, calibrated: calibrated, samples: samples)
      .compareRounding(rounded)
    return (trial.prefersPlain ? [:] : rounded, trial)
  }

  /// The copy that runs has its activations quantized, so that layers see what they will get.
  private func roundedOnSamples(
    _ calibrated: Calibrated, _ samples: CalibrationSet
  ) throws(Failure) -> [Int: RoundedWeights] {
    let (running, plan) = try copy(calibrated)
    let operations = FullQuantizer(plan, full.settings, facts: calibrated.facts, pool: pool)
      .applyToActivations(of: running.graph)
    _ = try insertPairs(in: running)
    return try SampledRounding(pool: pool, observer: observer)
      .run(operations.layers(in: running.graph), running: running, samples)
  }

  /// What a run over the samples told.
  struct Calibrated {
    /// What is known of each activation, with its range, by name.
    var facts: [String: ActivationFacts]
    /// The same with MAX_MIN's ranges, where others have to prove themselves against them.
    var wholeRangeFacts: [String: ActivationFacts]?
    /// Extents in the first sample, by name.
    let shapes: [String: [Int]]
    let seconds: Double

    /// The activations of a plan that can't be quantized, and why.
    func unusable(in plan: FullPlan) -> [ObjectIdentifier: FloatOperatorReason] {
      var reasons: [ObjectIdentifier: FloatOperatorReason] = [:]
      for value in plan.groups.flatMap(\.values) where facts[value.name] == nil {
        reasons[ObjectIdentifier(value)] =
          shapes[value.name] == nil ? .neverRun : .nonFiniteActivation
      }
      for value in plan.functionActivations {
        guard let facts = facts[value.name], facts.isHuge else { continue }
        reasons[ObjectIdentifier(value)] = .hugeRange
      }
      return reasons
    }
  }
}
