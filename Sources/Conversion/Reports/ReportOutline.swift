import ModelFormats
import ModelGraph
import Quantization

/// Which tensors the reports about distributions list, at which nodes, and what stands for each in
/// the written model.
///
/// Made from the float graph before it is quantized, then told what quantization changed. Clipping
/// that an operator absorbs is part of that operator.
struct ReportOutline: Sendable {
  /// Brings elements of a stand-in, with these extents, back to the float tensor's units.
  typealias Restoration = @Sendable (_ elements: inout [Float], _ extents: [Int]) -> Void

  /// A tensor that a node reads or makes.
  struct Port: Sendable {
    /// The name in the float graph.
    let tensor: String
    /// The place among the node's inputs; nil for a result.
    let input: Int?
    /// The name in the written graph.
    fileprivate(set) var standIn: String
  }

  /// A node with its tensors: inputs, then results.
  struct Operator: Sendable {
    let name: String
    fileprivate(set) var type: String
    /// Whether it runs in integers.
    fileprivate(set) var isInteger = false
    fileprivate(set) var ports: [Port]
  }

  /// The nodes of the main graph in its order, Constant nodes left out.
  private(set) var operators: [Operator] = []
  /// How to restore stand-ins, by their names; those missing are in the tensor's units.
  private(set) var restorations: [String: Restoration] = [:]
  private var indices: [ObjectIdentifier: Int] = [:]

  /// Lists the tensors of a float graph.
  ///
  /// - Parameter operations: the operators that will absorb clipping.
  init(_ graph: Graph, absorbing operations: [IntegerOperation] = []) {
    let absorbed = Set(operations.flatMap(\.absorbed).map(ObjectIdentifier.init))
    let results = Dictionary(
      operations.map { (ObjectIdentifier($0.node), $0.output.name) }
    ) { first, _ in first }
    for node in graph.nodes
    where !absorbed.contains(ObjectIdentifier(node)) && !node.isONNX("Constant") {
      var ports: [Port] = []
      for (index, input) in node.inputs.enumerated() {
        if let input { ports.append(Port(tensor: input.name, input: index, standIn: input.name)) }
      }
      let outputs =
        results[ObjectIdentifier(node)].map { [$0] } ?? node.outputs.compactMap { $0?.name }
      ports += outputs.map { Port(tensor: $0, input: nil, standIn: $0) }
      indices[ObjectIdentifier(node)] = operators.count
      operators.append(Operator(name: node.displayName, type: node.operatorType, ports: ports))
    }
  }

  /// Takes over the written model's operators, by the names of nodes that it has too.
  mutating func rename(types: [String: String]) {
    for index in operators.indices {
      operators[index].type = types[operators[index].name] ?? operators[index].type
    }
  }

  /// Notes which constants hold the integers of weights and biases now.
  mutating func note(_ operations: [QuantizedOperation]) {
    for operation in operations {
      guard let index = indices[ObjectIdentifier(operation.node)] else { continue }
      operators[index].isInteger = true
      let scaling = operation.scaling
      replace(operation.weights, at: index) { elements, _ in scaling.remove(fromWeights: &elements)
      }
      if let bias = operation.bias {
        replace(bias, at: index) { elements, _ in scaling.remove(fromBias: &elements) }
      }
    }
  }

  private mutating func replace(
    _ constant: QuantizedOperation.Constant, at index: Int, _ restoration: @escaping Restoration
  ) {
    for port in operators[index].ports.indices
    where operators[index].ports[port].tensor == constant.originalName {
      operators[index].ports[port].standIn = constant.name
      restorations[constant.name] = restoration
    }
  }

  /// Notes that a node reads the integers of a constant.
  ///
  /// - Parameter runsInIntegers: whether that makes it an integer operator.
  mutating func noteInteger(_ node: Node, weights: Value, runsInIntegers: Bool = true) {
    guard let index = indices[ObjectIdentifier(node)] else { return }
    operators[index].isInteger = runsInIntegers
    guard let parts = weights.integerParts else { return }
    for port in operators[index].ports.indices
    where operators[index].ports[port].tensor == weights.name {
      operators[index].ports[port].standIn = parts.integers.name
    }
  }

  /// Says how integers that nodes read are brought back to the float tensors' units.
  ///
  /// - Parameters:
  ///   - parameters: scales and zero points of the plan's quantized constants.
  ///   - factors: what a matrix's inputs were multiplied by before it was quantized.
  mutating func restoreIntegers(
    _ plan: QuantizationPlan, _ parameters: [TensorParameters],
    factors: [ObjectIdentifier: [Float]] = [:]
  ) {
    for (entry, parameters) in zip(plan.quantized, parameters) {
      guard let parts = entry.plan.value.integerParts, !parameters.scales.isEmpty else { continue }
      let layout = entry.recipe.layout
      let scales = parameters.scales
      let zeroPoints = parameters.zeroPoints.map(Float.init)
      let divisors = factors[ObjectIdentifier(entry.plan.value)]
      restorations[parts.integers.name] = { elements, _ in
        for index in elements.indices {
          let channel = index / layout.inner % layout.channels % scales.count
          elements[index] = (elements[index] - zeroPoints[channel]) * scales[channel]
          guard let divisors else { continue }
          let input = layout.inner > 1 ? index % layout.inner : index / layout.channels
          elements[index] /= divisors[input]
        }
      }
    }
  }

  /// Notes which values hold the rounded elements of activations now. A node's result is reported
  /// rounded where that is what all get.
  mutating func note(_ pairs: [InsertedPair]) {
    let pairs = Dictionary(pairs.map { ($0.name, $0) }) { first, _ in first }
    for (identity, index) in indices {
      for place in operators[index].ports.indices {
        let port = operators[index].ports[place]
        guard let pair = pairs[port.tensor], pair.dequantizedName != port.tensor else { continue }
        let readsDirectly = port.input != nil && pair.directReaders.contains(identity)
        guard readsDirectly || port.input == nil && pair.isForAll else { continue }
        operators[index].ports[place].standIn = pair.dequantizedName
        if let factors = pair.quantization.factors {
          restorations[pair.dequantizedName] = { elements, extents in
            factors.remove(from: &elements, extents: extents)
          }
        }
      }
    }
  }
}
