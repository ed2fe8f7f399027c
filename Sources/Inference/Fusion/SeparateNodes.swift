import ModelGraph

/// Nodes run one after the other inside one step: what a fused step falls back to when the
/// shapes it meets can't be fused. Used only by the thread that prepares the program.
struct SeparateNodes: @unchecked Sendable {
  /// The values the step has to read: those of the fused kernel, then what else the nodes read.
  let reads: [Value?]
  private let nodes: [Draft]

  /// - Parameter fusedReads: what the fused kernel reads, in its order.
  init(_ nodes: [Draft], fusedReads: [Value?]) {
    self.nodes = nodes
    var reads = fusedReads
    var known = Set(fusedReads.compactMap { $0.map(ObjectIdentifier.init) })
    for node in nodes {
      for case let value? in node.inputs where known.insert(ObjectIdentifier(value)).inserted {
        reads.append(value)
      }
      for case let output? in node.outputs { known.insert(ObjectIdentifier(output)) }
    }
    self.reads = reads
  }

  /// Where one of the nodes finds an input.
  private enum Place: Sendable {
    case absent
    case given(Int)
    case made(node: Int, output: Int)
  }

  /// Prepares all nodes; the last one's results are the step's.
  func prepare(_ settings: NodeSettings) throws -> KernelBody {
    var places: [ObjectIdentifier: Place] = [:]
    for (index, value) in reads.enumerated() {
      if let value { places[ObjectIdentifier(value)] = .given(index) }
    }
    var steps: [(body: KernelBody, inputs: [Place], wantsRowMajor: Bool)] = []
    for (index, node) in nodes.enumerated() {
      let inputs = node.inputs.map { value in
        value.flatMap { places[ObjectIdentifier($0)] } ?? .absent
      }
      var constants: [Int: Tensor] = [:]
      for (position, place) in inputs.enumerated() {
        if case .given(let read) = place, let tensor = settings.constants[read] {
          constants[position] = tensor
        }
      }
      let own = NodeSettings(
        node: node.node, version: settings.versionOf(node.node.domain), constants: constants,
        inputCount: inputs.count, followers: [], nested: settings.nested,
        versionOf: settings.versionOf)
      steps.append(
        (try node.definition.prepare(own), inputs, node.definition.layouts == .rowMajor))
      for (position, output) in node.outputs.enumerated() {
        if let output { places[ObjectIdentifier(output)] = .made(node: index, output: position) }
      }
    }
    let prepared = steps
    return { call in
      var results: [[RunValue?]] = []
      for step in prepared {
        let inputs = try step.inputs.map { place -> RunValue? in
          let value: RunValue? =
            switch place {
            case .absent: nil
            case .given(let index): call.inputs[index]
            case .made(let node, let output): results[node][output]
            }
          guard step.wantsRowMajor, case .tensor(let tensor)? = value else { return value }
          return try .tensor(tensor.converted(to: .rowMajor, call.context))
        }
        results.append(
          try step.body(
            KernelCall(inputs: inputs, context: call.context, observer: call.observer)))
      }
      return results[results.count - 1]
    }
  }
}
