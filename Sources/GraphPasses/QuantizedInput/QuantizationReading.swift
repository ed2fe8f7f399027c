import ModelGraph

/// Reads the quantization that a model brings along: of QuantizeLinear and DequantizeLinear (those of
/// ONNX Runtime's quantizer and of training with fake quantization, written out or not), and of
/// operators on integers.
///
/// Constants get `quantized`, activations `activation`, and the graph between them is a float one. A
/// node that can't be read stays as it is.
public enum QuantizationReading {
  /// How a model is read.
  public struct Options: Sendable {
    /// Whether parameters are kept; the model becomes a float one if not.
    public var keepsParameters: Bool
    /// Whether `uint8` becomes `int8`: integers and zero points are 128 less, the numbers the same.
    public var isSigned: Bool
    /// Whether products that quantize their input while they run become float products with integer
    /// weights.
    public var readsDynamic: Bool

    /// States options.
    public init(
      keepsParameters: Bool = true, isSigned: Bool = false, readsDynamic: Bool = false
    ) {
      self.keepsParameters = keepsParameters
      self.isSigned = isSigned
      self.readsDynamic = readsDynamic
    }
  }

  /// What was read.
  public struct Outcome: Sendable {
    /// Constants that brought integers, or a grid to round them to.
    public var constants = 0
    /// Activations with parameters of their own.
    public var activations = 0
    /// Activations that got those of what is moved.
    public var propagated = 0
    /// Fake quantization that was written out in float operators.
    public var writtenOut = 0
    /// Operators on integers that were written as float ones.
    public var expanded = 0
    /// Products that quantized their input while they ran, and have integer weights only now.
    public var dynamic = 0
    /// Nodes that are left as they are, and why.
    public var left: [(node: String, operatorType: String, reason: String)] = []

    /// Makes an empty outcome.
    public init() {}
  }

  private static let integerOperators: Set<String> = [
    "QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul",
    "ConvInteger", "MatMulInteger",
  ]
  private static let contributedPrefixes = [
    "QLinear", "QGemm", "QuantizeLinear", "DequantizeLinear", "MatMulInteger", "DynamicQuantize",
    "MatMulNBits", "QAttention", "QOrdered", "GatherBlockQuantized", "QMoE",
  ]

  /// Whether a model holds operators on integers, or from or to them.
  ///
  /// - Complexity: O(nodes).
  public static func isQuantized(_ model: Model) -> Bool {
    (model.graph.allGraphs + model.functions.map(\.body)).contains { graph in
      graph.nodes.contains { node in
        node.isStandard && integerOperators.contains(node.operatorType)
          || node.domain == "com.microsoft"
            && contributedPrefixes.contains { node.operatorType.hasPrefix($0) }
      }
    } || FakeQuantizationReading.isFound(in: model.graph)
  }

  /// Changes the main graph.
  ///
  /// - Complexity: O(edges + weights).
  public static func apply(to model: Model, _ options: Options) -> Outcome {
    let graph = model.graph
    var outcome = Outcome()
    outcome.writtenOut = FakeQuantizationReading.apply(to: graph)
    outcome.expanded = QOperatorExpansion.apply(to: model)
    if options.readsDynamic { outcome.dynamic = DynamicReading.apply(to: graph) }
    let constants = ConstantReading.apply(to: graph, options)
    let pairs = PairReading.apply(to: graph, options)
    outcome.constants = constants.count
    outcome.activations = pairs.count
    if options.keepsParameters { outcome.propagated = GridPropagation.apply(to: graph) }
    UnusedRemoval.removeConstants(from: graph)
    var seen: Set<ObjectIdentifier> = []
    outcome.left = (constants.problems + pairs.problems)
      .filter { seen.insert(ObjectIdentifier($0.node)).inserted }
      .map { ($0.node.displayName, $0.node.operatorType, $0.problem.text) }
    return outcome
  }
}
