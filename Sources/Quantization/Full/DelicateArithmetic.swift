import GraphPasses
import ModelGraph

/// Finds arithmetic that must not be rounded to 8 bits: shapes and indices, the inside of written-out
/// activation functions, and what belongs to normalizations.
struct DelicateArithmetic {
  /// From this magnitude on a constant or an activation is taken for a mask or the like, beside
  /// whose range nothing else would be told apart.
  static let hugeMagnitude: Float = 10_000

  private var integers: Set<ObjectIdentifier> = []
  private var islands: Set<ObjectIdentifier> = []
  private var normalizing: Set<ObjectIdentifier> = []

  /// - Parameter graph: nil where nothing will be asked.
  /// - Complexity: O(edges).
  init(_ graph: Graph?, _ uses: GraphUses) {
    guard let graph else { return }
    findIntegers(graph)
    findIslands(graph)
    findNormalizations(graph, uses)
  }

  /// Whether the node computes with shapes, indices or truth values.
  func isInteger(_ node: Node) -> Bool { integers.contains(ObjectIdentifier(node)) }

  /// Why the node stays float; nil if it need not.
  func reason(_ node: Node) -> FloatOperatorReason? {
    let identity = ObjectIdentifier(node)
    if normalizing.contains(identity) { return .normalization }
    return islands.contains(identity) ? .insideFunction : nil
  }

  // MARK: Shapes and indices

  private static let integerMakers: Set = [
    "Shape", "Size", "NonZero", "ArgMax", "ArgMin", "Equal", "Greater", "Less", "GreaterOrEqual",
    "LessOrEqual", "And", "Or", "Not", "Xor", "IsNaN", "IsInf", "NonMaxSuppression",
  ]
  /// Operators whose result has another type than their inputs say.
  private static let typeChangers: Set = [
    "Cast", "CastLike", "Where", "If", "Loop", "Scan", "ConstantOfShape", "RandomNormalLike",
    "QuantizeLinear", "DequantizeLinear",
  ]

  private mutating func findIntegers(_ graph: Graph) {
    func isInteger(_ value: Value) -> Bool {
      if case .tensor(let type, _) = value.type { return type != .float32 }
      if let type = value.constant?.elementType { return type != .float32 }
      return value.producer.map { integers.contains(ObjectIdentifier($0)) } ?? false
    }
    for node in graph.nodes where node.isStandard {
      let makes =
        DelicateArithmetic.integerMakers.contains(node.operatorType)
        || node.isONNX("Cast") && node.int("to") != Int64(ElementType.float32.onnxCode)
      let passes =
        !DelicateArithmetic.typeChangers.contains(node.operatorType)
        && (node.inputs.first.flatMap { $0 }.map(isInteger) ?? false)
      if makes || passes { integers.insert(ObjectIdentifier(node)) }
    }
  }

  // MARK: Functions of one number

  private static let functions: Set = [
    "Relu", "Sigmoid", "Tanh", "LeakyRelu", "HardSigmoid", "HardSwish", "Clip", "Erf", "Exp", "Log",
    "Sqrt", "Pow", "Softplus", "Elu", "Neg", "Abs", "Reciprocal",
  ]

  /// Nodes of a function of one value that is written out in several nodes: no reader but the last
  /// ought to see rounded numbers.
  private mutating func findIslands(_ graph: Graph) {
    var roots: [ObjectIdentifier: Value] = [:]
    func root(_ value: Value) -> Value { roots[ObjectIdentifier(value)] ?? value }
    for node in graph.nodes where node.isStandard {
      let isArithmetic = ElementwiseFunction.arithmetic[node.operatorType] != nil
      guard isArithmetic || DelicateArithmetic.functions.contains(node.operatorType),
        let output = node.outputs.first ?? nil
      else { continue }
      let read = isArithmetic ? node.inputs : Array(node.inputs.prefix(1))
      let activations = read.compactMap { $0 }.filter { $0.constant == nil }
      let constants = read.compactMap { $0?.constant }
      guard let first = activations.first, constants.allSatisfy({ $0.elementCount == 1 }),
        activations.allSatisfy({ root($0) === root(first) })
      else { continue }
      roots[ObjectIdentifier(output)] = root(first)
      for input in activations where input !== root(first) {
        islands.insert(ObjectIdentifier(node))
        if let producer = input.producer { islands.insert(ObjectIdentifier(producer)) }
      }
    }
  }

  // MARK: Normalizations

  private static let normalizers: Set = [
    "Pow", "Sqrt", "Reciprocal", "ReduceMean", "ReduceSum", "ReduceL2", "ReduceSumSquare", "Exp",
    "Log", "LayerNormalization", "InstanceNormalization", "GroupNormalization",
    "MeanVarianceNormalization", "LpNormalization",
  ]

  /// Arithmetic beside squares, roots and means, and the scale and shift behind it.
  private mutating func findNormalizations(_ graph: Graph, _ uses: GraphUses) {
    func isNormalizer(_ node: Node) -> Bool {
      node.isStandard
        && (DelicateArithmetic.normalizers.contains(node.operatorType)
          || node.operatorType == "Div" && node.inputs.allSatisfy { $0?.constant == nil })
    }
    for node in graph.nodes
    where node.isStandard && ElementwiseFunction.arithmetic[node.operatorType] != nil {
      let producers = node.inputs.compactMap { $0?.producer }
      let readers = node.outputs.compactMap { $0 }.flatMap { uses.readers(of: $0) }
      let isBeside =
        producers.contains(where: isNormalizer) || readers.contains(where: isNormalizer)
      let scalesOne =
        node.inputs.contains { $0?.constant != nil }
        && producers.contains { normalizing.contains(ObjectIdentifier($0)) }
      if isBeside || scalesOne { normalizing.insert(ObjectIdentifier(node)) }
    }
  }
}
