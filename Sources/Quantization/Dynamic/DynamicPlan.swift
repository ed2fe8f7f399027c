import GraphPasses
import ModelGraph

/// What shares a scale under dynamic quantization.
public enum DynamicStrategy: String, Sendable {
  /// One scale for an activation, one for each output channel of weights.
  case activationLayerWeightChannel = "ALWC"
  /// One scale for each row (token) of an activation, one for all weights of an operator.
  case activationChannelWeightLayer = "ACWL"
  /// One scale for each row of an activation, one for each output channel of weights.
  case activationChannelWeightChannel = "ACWC"

  /// Whether each row of an activation has a scale of its own.
  public var scalesRows: Bool { self != .activationLayerWeightChannel }
  /// Whether each output channel of weights has a scale of its own.
  public var scalesChannels: Bool { self != .activationChannelWeightLayer }
}

/// What a model with dynamic quantization is written for, as far as integers depend on it.
public struct DynamicTarget: Sendable {
  /// The greatest magnitude of two neighbouring weights' sum with which no processor saturates; nil
  /// where none does.
  var pairSumLimit: Int32?
  /// Whether the integers of a table that is only looked up may have a zero point.
  var takesTableZeroPoints: Bool
  /// Whether a table's scales can only be one for each row, or one for all.
  var scalesTableRowsOnly: Bool
  /// Whether an operator that stays float can read the integers of another.
  var dequantizesForOthers: Bool

  /// ONNX's MatMulInteger, and lookups that multiply by scales alone.
  public static let onnx = DynamicTarget(
    pairSumLimit: 128, takesTableZeroPoints: false, scalesTableRowsOnly: false,
    dequantizesForOthers: true)
  /// MindSpore Lite's products of int8 matrices, and tables that are made float at loading.
  public static let mindSporeLite = DynamicTarget(
    pairSumLimit: nil, takesTableZeroPoints: true, scalesTableRowsOnly: true,
    dequantizesForOthers: false)
}

/// A matrix product whose activation becomes integers while the model runs.
public struct DynamicProduct {
  /// The MatMul or Gemm.
  public let node: Node
  /// The constant that holds its weights.
  public let weights: Value
  /// Whether the constant is laid out `[outputs, inputs]` rather than `[inputs, outputs]`.
  public let isTransposed: Bool
  /// What each channel of the activation is divided by, and multiplied by in the weights; nil
  /// without.
  public internal(set) var divisors: [Float]?

  /// Channels of the activation.
  var inputCount: Int? {
    weights.constant.flatMap { constant in
      constant.dimensions.count == 2 ? constant.dimensions[isTransposed ? 1 : 0] : nil
    }
  }
}

/// What each operator with weights gets under dynamic quantization, made before anything changes.
public struct DynamicPlan {
  /// The products that run in integers, in the graph's order.
  public var products: [DynamicProduct] = []
  /// The convolutions that run in integers, in the graph's order.
  public var convolutions: [DynamicConvolution] = []
  /// The LSTMs that run in integers, in the graph's order.
  public var recurrences: [DynamicRecurrence] = []
  /// Gathers that look rows of integers up, with their tables.
  public var lookups: [(node: Node, weights: Value)] = []
  /// Operators with weights that stay float, and why, in the graph's order.
  public var floats: [(node: Node, reason: FloatOperatorReason)] = []
  /// What becomes of the constants: those of products and lookup tables become integers.
  public var weights = QuantizationPlan(constants: [])

  /// Each operator that runs in integers with a constant of its weights.
  public var integerOperators: [(node: Node, weights: Value)] {
    products.map { ($0.node, $0.weights) } + convolutions.map { ($0.node, $0.weights) }
      + recurrences.flatMap { [($0.node, $0.weights), ($0.node, $0.recurrence)] }
  }

  /// The activations that are divided, in the graph's order, for the products that need it.
  public var divisions: [ActivationDivision.Division] {
    var found: [(value: Value, divisors: [Float], readers: [Node])] = []
    for product in products {
      guard let divisors = product.divisors, let input = product.node.inputs[0] else { continue }
      if let place = found.firstIndex(where: { $0.value === input }) {
        found[place].readers.append(product.node)
      } else {
        found.append((input, divisors, [product.node]))
      }
    }
    return found.map { .init(value: $0.value, divisors: $0.divisors, readers: $0.readers) }
  }

  /// How many operators run in integers.
  public var integerOperatorCount: Int {
    products.count + convolutions.count + recurrences.count
  }
}
