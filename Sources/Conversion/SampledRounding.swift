import Calibration
import GraphPasses
import Inference
import ModelFormats
import ModelGraph
import Quantization
import SampleData
import Support

/// Rounds weights by what their errors cost on samples, some layers at a time, so that later layers
/// see what rounding did to earlier ones (`quant_strategy=GPTQ`).
///
/// A second copy of the model runs: its weights and biases are replaced as soon as they are known.
/// For each group of layers the samples go through the part of the model that the last group left.
struct SampledRounding {
  let pool: WorkerPool
  let observer: (any ConversionObserver)?
  /// Layers that are looked at in one pass over the samples, at most.
  var layersAtOnce = 8
  /// Bytes of activations that are kept from one pass to the next, about; changes no result.
  var keptByteLimit = 512 << 20

  /// Bytes of moments that one pass gathers, unless one layer alone has more.
  private static let byteLimit = 192 << 20

  /// A layer and how its input becomes rows.
  private struct Step {
    let layer: FeedbackLayer
    let rows: ProductRows
    let node: Node
    /// Where the mean error goes; nil where it can't.
    let bias: ChannelBias?

    /// Bytes of its moments, in totals and in what two workers gather.
    var byteCount: Int { rows.groups * rows.columns * rows.columns * 24 }
  }

  /// What was rounded, by the layers' numbers.
  ///
  /// - Parameters:
  ///   - layers: the weights to round, in the graph's order.
  ///   - running: a copy of the planned model, node for node the same; it is changed.
  func run(
    _ layers: [FeedbackLayer], running: Model, _ samples: CalibrationSet
  ) throws(Failure) -> [Int: RoundedWeights] {
    let groups = grouped(steps(layers, running.graph))
    let stages = GraphStages(running, groups: groups.map { $0.map(\.node) })
    let kept = KeptActivations(
      sampleCount: samples.count, byteLimit: keptByteLimit)
    observer?.began("calibrate", total: groups.count * samples.count, of: .samples)
    defer { observer?.ended() }
    var names = UniqueNames(in: running)
    var start: [Value] = []
    var results: [Int: RoundedWeights] = [:]
    var installed: [(node: Node, weights: Value)] = []
    for (number, group) in groups.enumerated() {
      var part = stages.part(number, from: start)
      if !part.canBeKept { part = stages.part(number, from: start, keeps: false) }
      let (rounded, isKept) = try round(group, part, samples, kept)
      if isKept {
        start = part.kept
        for value in start { value.type = nil }
        for made in installed where stages.isDone(made.node, after: number) {
          made.weights.initializer = nil
        }
        installed.removeAll { $0.weights.initializer == nil }
      }
      for (step, rounded) in zip(group, rounded) {
        guard let rounded else { continue }
        results[step.layer.number] = rounded
        installed.append((step.node, install(rounded, step, &names, in: running.graph)))
      }
    }
    return results
  }

  /// Takes the mean errors of rounded weights out of a model's biases.
  static func correctBiases(
    _ rounded: [Int: RoundedWeights], _ plan: QuantizationPlan, in model: Model
  ) {
    let uses = GraphUses(model.graph)
    let places = FeedbackLayer.layers(of: plan, in: model.graph).map { layer in
      (layer, layer.bias(model.graph, uses))
    }
    var names = UniqueNames(in: model)
    for (layer, bias) in places {
      guard let rounded = rounded[layer.number] else { continue }
      let name = names.make(model.graph.nodes[layer.place].displayName + "_corrected_bias")
      if let errors = rounded.meanErrors { bias?.add(errors, in: model.graph, named: name) }
    }
  }

  private func steps(_ layers: [FeedbackLayer], _ running: Graph) -> [Step] {
    let uses = GraphUses(running)
    return layers.compactMap { layer in
      let node = running.nodes[layer.place]
      return ProductRows(node, weights: layer.dimensions).map { rows in
        Step(layer: layer, rows: rows, node: node, bias: layer.bias(running, uses))
      }
    }
  }

  private func grouped(_ steps: [Step]) -> [[Step]] {
    var groups: [[Step]] = []
    var bytes = 0
    for step in steps {
      let fits = bytes + step.byteCount <= SampledRounding.byteLimit
      if let last = groups.last, last.count < layersAtOnce, fits {
        groups[groups.count - 1].append(step)
        bytes += step.byteCount
      } else {
        groups.append([step])
        bytes = step.byteCount
      }
    }
    return groups
  }

  private func round(
    _ group: [Step], _ part: GraphStages.Part, _ samples: CalibrationSet, _ kept: KeptActivations
  ) throws(Failure) -> (rounded: [RoundedWeights?], isKept: Bool) {
    var targets: [MomentsSurvey.Target] = []
    var targetOfStep: [Int?] = []
    for step in group {
      guard let input = step.node.inputs[0] else {
        targetOfStep.append(nil)
        continue
      }
      let isMatrix = !step.node.isONNX("Conv")
      let same = targets.firstIndex {
        isMatrix && $0.name == input.name && $0.rows.columns == step.rows.columns
          && $0.rows.groups == 1
      }
      targetOfStep.append(same ?? targets.count)
      if same == nil { targets.append(.init(name: input.name, rows: step.rows)) }
    }
    let (moments, isKept) = try MomentsSurvey(part, targets: targets).run(
      samples.count, workers: pool, kept: kept,
      sample: { (index) throws(Failure) in try samples.sample(index) },
      finished: { [observer] in observer?.advanced(by: 1) })
    let work = group.map { step in
      (
        step.layer, (0..<step.rows.columns).map { step.rows.weight(ofColumn: $0) },
        correctsMeans: step.bias != nil
      )
    }
    let rounded = pool.map(work.count) { [targetOfStep, work] index in
      targetOfStep[index].flatMap { target in
        work[index].0.rounded(
          moments[target], weightOfColumn: work[index].1, correctsMeans: work[index].correctsMeans)
      }
    }
    return (rounded, isKept)
  }

  /// Gives the running model the rounded weights and the corrected bias.
  ///
  /// - Returns: the weights.
  private func install(
    _ rounded: RoundedWeights, _ step: Step, _ names: inout UniqueNames, in running: Graph
  ) -> Value {
    let name = names.make(step.node.displayName + "_corrected_bias")
    if let errors = rounded.meanErrors { step.bias?.add(errors, in: running, named: name) }
    let weights = Value(name: names.make(name + "_weights"))
    weights.initializer = step.layer.dequantized(rounded)
    running.initializers.append(weights)
    step.node.inputs[1] = weights
    return weights
  }

  /// Says why rounding on samples changed nothing.
  ///
  /// - Parameter obstacles: why weights aren't rounded so, each reason with how many have it.
  static func nothingRounded(
    _ path: String, _ obstacles: [(reason: FeedbackObstacle, count: Int)] = []
  ) -> Diagnostic {
    Diagnostic(
      .keyWithoutEffect, "quant_strategy=GPTQ rounds no weight of '\(path)'",
      severity: .warning,
      notes: obstacles.isEmpty
        ? ["no sample reaches the operators, or their weights aren't matrices or kernels"]
        : obstacles.map {
          "\($0.count) \($0.count == 1 ? "constant" : "constants"): \($0.reason.rawValue)"
        },
      help: "the weights are rounded without samples; leave quant_strategy out")
  }
}
