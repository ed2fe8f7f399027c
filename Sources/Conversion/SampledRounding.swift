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
/// For each group of layers the samples go through the part of the model in front of them.
struct SampledRounding {
  let job: ConversionJob
  let pool: WorkerPool
  let observer: (any ConversionObserver)?

  /// Layers that are looked at in one pass over the samples, at most.
  private static let layersAtOnce = 8
  /// Bytes of moments that one pass gathers, unless one layer alone has more.
  private static let byteLimit = 192 << 20

  /// A layer and how its input becomes rows.
  private struct Step {
    let layer: FeedbackLayer
    let rows: ProductRows
    /// Bytes of its moments, in totals and in what each worker gathers.
    func byteCount(workers: Int) -> Int {
      rows.groups * rows.columns * rows.columns * (8 + 8 * workers)
    }
  }

  /// What was rounded, by the constant's number in the plan; biases of the model are changed.
  ///
  /// - Parameter shadow: a second copy of the model, node for node the same.
  func run(
    _ plan: QuantizationPlan, _ model: Model, running shadow: Model, _ samples: CalibrationSet
  ) throws(Failure) -> [Int: RoundedWeights] {
    let steps = FeedbackLayer.layers(of: plan, in: model.graph).compactMap { layer in
      ProductRows(model.graph.nodes[layer.place], weights: layer.source.dimensions).map {
        Step(layer: layer, rows: $0)
      }
    }
    let groups = grouped(steps)
    observer?.began("calibrate", total: groups.count * samples.count, of: .samples)
    defer { observer?.ended() }
    var names = UniqueNames(in: model)
    var results: [Int: RoundedWeights] = [:]
    for group in groups {
      let rounded = try round(group, shadow, samples)
      for (step, rounded) in zip(group, rounded) {
        guard let rounded else { continue }
        results[step.layer.number] = rounded
        install(rounded, step.layer, &names, shadow: shadow.graph, written: model.graph)
      }
    }
    return results
  }

  private func grouped(_ steps: [Step]) -> [[Step]] {
    var groups: [[Step]] = []
    var bytes = 0
    for step in steps {
      let more = step.byteCount(workers: pool.workerCount)
      if let last = groups.last, last.count < SampledRounding.layersAtOnce,
        bytes + more <= SampledRounding.byteLimit
      {
        groups[groups.count - 1].append(step)
        bytes += more
      } else {
        groups.append([step])
        bytes = more
      }
    }
    return groups
  }

  private func round(
    _ group: [Step], _ shadow: Model, _ samples: CalibrationSet
  ) throws(Failure) -> [RoundedWeights?] {
    let nodes = group.map { shadow.graph.nodes[$0.layer.place] }
    var targets: [MomentsSurvey.Target] = []
    var targetOfStep: [Int?] = []
    for (step, node) in zip(group, nodes) {
      guard let input = node.inputs[0] else {
        targetOfStep.append(nil)
        continue
      }
      let isMatrix = !node.isONNX("Conv")
      let same = targets.firstIndex {
        isMatrix && $0.name == input.name && $0.rows.columns == step.rows.columns
          && $0.rows.groups == 1
      }
      targetOfStep.append(same ?? targets.count)
      if same == nil { targets.append(.init(name: input.name, rows: step.rows)) }
    }
    let survey = try MomentsSurvey(
      model: GraphExcerpt.model(of: shadow, before: nodes), targets: targets)
    let moments = try survey.run(
      samples.count, workers: pool,
      sample: { (index) throws(Failure) in try samples.sample(index) },
      finished: { [observer] in observer?.advanced(by: 1) })
    let uses = GraphUses(shadow.graph)
    let corrects = group.map { step in
      job.weights.biasCorrection && step.layer.bias(shadow.graph, uses) != nil
    }
    let layers = group.map(\.layer)
    let columns = group.map { step in
      (0..<step.rows.columns).map { step.rows.weight(ofColumn: $0) }
    }
    return pool.map(group.count) { [targetOfStep] index in
      targetOfStep[index].flatMap { target in
        layers[index].rounded(
          moments[target], weightOfColumn: columns[index], correctsMeans: corrects[index])
      }
    }
  }

  /// Gives the running model the rounded weights, and both models the corrected bias.
  private func install(
    _ rounded: RoundedWeights, _ layer: FeedbackLayer, _ names: inout UniqueNames, shadow: Graph,
    written: Graph
  ) {
    let name = names.make(written.nodes[layer.place].displayName + "_corrected_bias")
    if let errors = rounded.meanErrors {
      for graph in [shadow, written] {
        layer.bias(graph, GraphUses(graph))?.add(errors, in: graph, named: name)
      }
    }
    let weights = Value(name: names.make(name + "_weights"))
    weights.initializer = layer.dequantized(rounded)
    shadow.initializers.append(weights)
    shadow.nodes[layer.place].inputs[1] = weights
  }
}
