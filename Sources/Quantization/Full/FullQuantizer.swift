import GraphPasses
import ModelGraph
import Support

/// Carries a full plan out on a graph: marks weights, biases and activations with what they become.
public struct FullQuantizer {
  private let plan: FullPlan
  private let settings: FullQuantizationSettings
  private let facts: [String: ActivationFacts]
  private let pool: WorkerPool

  /// A quantizer for a plan, with what calibration found out by name of activation.
  public init(
    _ plan: FullPlan, _ settings: FullQuantizationSettings, facts: [String: ActivationFacts],
    pool: WorkerPool
  ) {
    self.plan = plan
    self.settings = settings
    self.facts = facts
    self.pool = pool
  }

  /// Weights that stay float at first, to be rounded on samples.
  public struct Layers {
    fileprivate let encoders: [OperationEncoder]

    /// The weights, where their operators stand in the graph now.
    public func layers(in graph: Graph) -> [FeedbackLayer] {
      FeedbackLayer.layers(of: encoders, in: graph)
    }
  }

  /// Changes the graph as `apply` does, but leaves weights and biases of operators float: they hold the
  /// channels' factors.
  ///
  /// - Complexity: O(weights).
  public func applyToActivations(of graph: Graph) -> Layers {
    let encoders = encoders(markingActivationsOf: graph)
    var names = UniqueNames(in: graph)
    for encoder in encoders {
      let node = encoder.operation.node
      let weights = FullQuantizer.constant(encoder.operation.weights.name, in: graph, &names)
      weights.initializer = encoder.source
      node.inputs[encoder.operation.weightInput] = weights
      guard let floats = encoder.floatBias else { continue }
      let bias = FullQuantizer.constant(node.displayName + "_bias", in: graph, &names)
      bias.initializer = floats
      if let following = encoder.followingBias {
        following.node.inputs[following.input] = bias
      } else {
        node.inputs[2] = bias
      }
    }
    var number = 0
    installConstants(of: plan.functions, in: graph, &number, &names)
    remove(plan.operations.flatMap(\.absorbed), from: graph)
    return Layers(encoders: encoders)
  }

  private func encoders(markingActivationsOf graph: Graph) -> [OperationEncoder] {
    let forms = ActivationForms(plan, settings, facts: facts, graph: graph)
    for value in plan.groups.flatMap(\.values) { mark(value, forms) }
    let uses = GraphUses(graph)
    return plan.operations.map { operation in
      OperationEncoder(
        operation: operation, input: forms[operation.input],
        outputFactors: operation.quantizesOutput ? forms[operation.output]?.factors : nil,
        facts: facts[operation.input.name], settings: settings, uses: uses)
    }
  }

  /// Changes the graph.
  ///
  /// - Parameter rounded: integers of weights that are chosen already, by the operation's number.
  /// - Complexity: O(weights).
  public func apply(
    to graph: Graph, rounded: [Int: RoundedWeights] = [:]
  ) -> [QuantizedOperation] {
    var jobs = encoders(markingActivationsOf: graph)
    for (number, weights) in rounded { jobs[number].rounded = weights }
    let encoded = pool.map(jobs.count) { [jobs] in jobs[$0].encoded() }
    var results: [QuantizedOperation] = []
    var number = 0
    var names = UniqueNames(in: graph)
    for (job, encoded) in zip(jobs, encoded) {
      let nodeName = job.operation.node.displayName
      let (weights, bias) = install(encoded, job, in: graph, &number, &names)
      results.append(
        QuantizedOperation(
          node: job.operation.node, nodeName: nodeName, inputName: job.operation.input.name,
          outputName: job.operation.quantizesOutput ? job.operation.output.name : nil,
          weights: weights, bias: bias, scaling: job.scaling, recipe: job.recipe,
          parameters: encoded.parameters))
    }
    installConstants(of: plan.functions, in: graph, &number, &names)
    remove(plan.operations.flatMap(\.absorbed), from: graph)
    return results
  }

  private func mark(_ value: Value, _ forms: ActivationForms) {
    guard let form = forms[value], let readers = plan.readers[ObjectIdentifier(value)] else {
      return
    }
    value.activation = ActivationQuantization(
      elementType: settings.profile.activationType, scale: form.grid.scale,
      zeroPoint: form.grid.zeroPoint, readers: readers,
      factors: form.factors.map {
        .init(
          trailingAxes: plan.trailingAxes(of: value), values: $0,
          equalized: forms.equalizedNodes(of: value))
      })
  }

  /// Puts integers in place of the operator's float constants.
  private func install(
    _ encoded: OperationEncoder.Encoded, _ job: OperationEncoder, in graph: Graph,
    _ number: inout Int, _ names: inout UniqueNames
  ) -> (weights: QuantizedOperation.Constant, bias: QuantizedOperation.Constant?) {
    let node = job.operation.node
    func put(_ integers: OperationEncoder.Integers, for original: Value?, as base: String)
      -> (Value, QuantizedOperation.Constant)
    {
      let value = FullQuantizer.constant(base, in: graph, &names)
      value.initializer = integers.source
      value.quantized = integers.constant(number: number)
      number += 1
      return (
        value,
        QuantizedOperation.Constant(
          originalName: original?.name, name: value.name, dimensions: integers.source.dimensions,
          bits: integers.storage.bits, scales: integers.parameters.scales,
          zeroPoints: integers.parameters.zeroPoints)
      )
    }
    let original = job.operation.weights
    let (weights, weightsRecord) = put(encoded.weights, for: original, as: original.name + "_int8")
    node.inputs[job.operation.weightInput] = weights
    guard let bias = encoded.bias else { return (weightsRecord, nil) }
    if let following = job.followingBias, job.operation.adding != nil {
      let (value, record) = put(
        bias.integers, for: following.value, as: following.value.name + "_int32")
      following.node.inputs[following.input] = value
      return (weightsRecord, record)
    }
    if let following = job.followingBias {
      let value = FullQuantizer.constant(
        following.value.name + "_corrected", in: graph, &names)
      value.initializer = bias.float
      following.node.inputs[following.input] = value
      return (weightsRecord, nil)
    }
    let (value, biasRecord) = put(
      bias.integers, for: job.oldBias,
      as: (job.oldBias?.name ?? node.displayName + "_bias") + "_int32")
    while node.inputs.count < 3 { node.inputs.append(nil) }
    node.inputs[2] = value
    return (weightsRecord, biasRecord)
  }

  /// Puts integers in place of the constants that operators without weights compute with: one scale
  /// and zero point each, once for all who read a constant.
  private func installConstants(
    of functions: [IntegerFunction], in graph: Graph, _ number: inout Int,
    _ names: inout UniqueNames
  ) {
    var made: [ObjectIdentifier: Value] = [:]
    for function in functions {
      for place in function.constants {
        guard let original = function.node.inputs[place], let source = original.constant else {
          continue
        }
        let identity = ObjectIdentifier(original)
        if made[identity] == nil {
          let value = FullQuantizer.constant(original.name + "_int8", in: graph, &names)
          value.initializer = source
          value.quantized = WeightEncoder(source: source, recipe: .tensor(source))
            .quantizedConstant(number: number)
          number += 1
          made[identity] = value
        }
        function.node.inputs[place] = made[identity]
      }
    }
  }

  /// A new initializer with a name of its own.
  private static func constant(
    _ base: String, in graph: Graph, _ names: inout UniqueNames
  ) -> Value {
    let value = Value(name: names.make(base))
    graph.initializers.append(value)
    return value
  }

  private func remove(_ absorbed: [Node], from graph: Graph) {
    for operation in plan.operations where !operation.absorbed.isEmpty {
      (operation.adding ?? operation.node).outputs = [operation.output]
    }
    let gone = Set(absorbed.map(ObjectIdentifier.init))
    graph.nodes.removeAll { gone.contains(ObjectIdentifier($0)) }
  }
}
