import ModelFormats
import ModelGraph
import Quantization
import Support

/// What dynamic quantization did beside the weights.
public struct DynamicFacts: Sendable {
  /// What shares a scale.
  public var strategy: DynamicStrategy
  /// Operators that run in integers.
  public var integerOperatorCount: Int
  /// Operators with weights that stay float, and why.
  public var floatOperators: [(node: String, operatorType: String, reason: String)]
}

/// The part of a conversion that only dynamic quantization has.
struct DynamicConversion {
  let strategy: DynamicStrategy
  let plan: DynamicPlan
  private let writesMSLite: Bool

  /// Plans a model.
  ///
  /// - Throws: a model none of whose products can run in integers.
  init?(_ job: ConversionJob, _ model: Model, pool: WorkerPool) throws(Failure) {
    guard let strategy = job.dynamic else { return nil }
    self.strategy = strategy
    writesMSLite = job.writesMSLite
    plan = DynamicPlanner(
      job.weights, strategy, for: writesMSLite ? .mindSporeLite : .onnx,
      scope: job.dynamicScope, pool: pool
    ).plan(model)
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
      floatOperators: plan.floats.map {
        ($0.node.displayName, $0.node.operatorType, $0.reason.text)
      })
  }

  /// Divides activations by their factors where the format's products don't.
  func divideActivations(of model: Model) {
    guard writesMSLite else { return }
    ActivationDivision.apply(
      plan.products.compactMap { product in product.factors.map { (product.node, $0) } }, to: model)
  }

  /// Puts the integer operators into a graph whose weights are quantized: the graph that is written,
  /// or that is run here in place of what was written.
  ///
  /// - Throws: a node that operator set 13 can't express.
  func apply(to model: Model, _ outline: inout ReportOutline) throws(Failure) {
    try OpsetUpgrade.raise(model, to: max(13, model.standardOperatorVersion))
    let products = plan.products.map {
      DynamicQuantizeInsertion.Product(
        node: $0.node, weights: $0.weights, isTransposed: $0.isTransposed,
        factors: writesMSLite ? nil : $0.factors)
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
      plan.products.map { (ObjectIdentifier($0.weights), $0.factors) }
    ) { first, _ in first }
    outline.restoreIntegers(plan.weights, parameters, factors: factors.compactMapValues { $0 })
  }
}
