import Calibration
import GraphPasses
import ModelFormats
import ModelGraph
import Quantization
import SampleData
import Statistics
import Support

/// What dynamic quantization did beside the weights.
public struct DynamicFacts: Sendable {
  /// What shares a scale.
  public var strategy: DynamicStrategy
  /// Operators that run in integers.
  public var integerOperatorCount: Int
  /// Activations whose channels are evened out.
  public var dividedActivationCount: Int
  /// Operators with weights that stay float, and why.
  public var floatOperators: [(node: String, operatorType: String, reason: String)]
}

/// The part of a conversion that only dynamic quantization has.
struct DynamicConversion {
  let strategy: DynamicStrategy
  let plan: DynamicPlan
  /// The activations that are divided, as they are before the model changes.
  private let divisions: [ActivationDivision.Division]
  private let writesMSLite: Bool

  /// Plans a model; with samples, after a look at what products read.
  ///
  /// - Throws: a model none of whose products can run in integers.
  init?(
    _ job: ConversionJob, _ model: Model, _ samples: CalibrationSet?, pool: WorkerPool,
    observer: (any ConversionObserver)?
  ) throws(Failure) {
    guard let strategy = job.dynamic else { return nil }
    self.strategy = strategy
    writesMSLite = job.writesMSLite
    let planner = DynamicPlanner(
      job.weights, strategy, for: writesMSLite ? .mindSporeLite : .onnx,
      scope: job.dynamicScope, pool: pool)
    var plan = planner.plan(model)
    if let samples, !plan.products.isEmpty {
      let facts = try DynamicConversion.look(
        at: plan, of: model, samples, pool: pool, observer: observer)
      plan = planner.plan(model, activations: facts)
    }
    self.plan = plan
    divisions = plan.divisions
    guard plan.integerOperatorCount == 0 else { return }
    var notes = plan.floats.prefix(5).map { float in
      "'\(float.node.displayName)' (\(float.node.operatorType)): \(float.reason.text)"
    }
    if plan.floats.isEmpty { notes = ["no matrix product has constant weights"] }
    if plan.floats.count > 5 { notes.append("and \(plan.floats.count - 5) more") }
    throw Failure([
      Diagnostic(
        .nothingQuantized, "no operator of '\(job.modelPath)' would run in integers", notes: notes,
        help: "use quant_type=WEIGHT_QUANT for a smaller file")
    ])
  }

  /// What the plan comes to.
  var facts: DynamicFacts {
    DynamicFacts(
      strategy: strategy, integerOperatorCount: plan.integerOperatorCount,
      dividedActivationCount: divisions.count,
      floatOperators: plan.floats.map {
        ($0.node.displayName, $0.node.operatorType, $0.reason.text)
      })
  }

  /// What samples show of the activations that products read, by name.
  private static func look(
    at plan: DynamicPlan, of model: Model, _ samples: CalibrationSet, pool: WorkerPool,
    observer: (any ConversionObserver)?
  ) throws(Failure) -> [String: ActivationFacts] {
    let names = Set(plan.products.compactMap { $0.node.inputs[0]?.name }).sorted()
    let calibrator = try Calibrator(
      model: model, targets: names.map { .init(name: $0, trailingAxes: 0) }, request: .sum)
    observer?.began("calibrate", total: samples.count, of: .samples)
    defer { observer?.ended() }
    let gathered = try calibrator.run(
      samples.count, workers: pool,
      sample: { (index) throws(Failure) in try samples.sample(index) },
      finished: { observer?.advanced(by: 1) })
    return gathered.compactMapValues {
      ActivationFacts(
        $0, method: .maxMin, grid: IntegerGrid(levels: 255, isSymmetric: true))
    }
  }

  /// Divides the channels of activations whose weights were multiplied.
  func divideActivations(of model: Model) { ActivationDivision.apply(divisions, to: model) }

  /// Puts the integer operators into a graph whose weights are quantized: the graph that is written,
  /// or that is run here in place of what was written.
  ///
  /// - Throws: a node that operator set 13 can't express.
  func apply(to model: Model, _ outline: inout ReportOutline) throws(Failure) {
    try OpsetUpgrade.raise(model, to: max(13, model.standardOperatorVersion))
    let products = plan.products.map {
      DynamicQuantizeInsertion.Product(
        node: $0.node, weights: $0.weights, isTransposed: $0.isTransposed)
    }
    let lookups =
      writesMSLite
      ? [] : plan.lookups.map { RowLookupInsertion.Lookup(node: $0.node, weights: $0.weights) }
    RowLookupInsertion.apply(lookups, hasZeroPoints: false, to: model)
    DynamicQuantizeInsertion.apply(
      .init(
        products: products, convolutions: plan.convolutions.map(\.node),
        recurrences: plan.recurrences.map(\.node)),
      strategy.scalesRows ? .row : .tensor, to: model)
    for lookup in lookups { outline.noteInteger(lookup.node, weights: lookup.weights) }
    for (node, weights) in plan.integerOperators { outline.noteInteger(node, weights: weights) }
  }

  /// Tells the reports how to read the integers of weights.
  func note(_ parameters: [TensorParameters], in outline: inout ReportOutline) {
    let factors = Dictionary(
      plan.products.map { (ObjectIdentifier($0.weights), $0.divisors) }
    ) { first, _ in first }
    outline.restoreIntegers(plan.weights, parameters, factors: factors.compactMapValues { $0 })
  }
}
