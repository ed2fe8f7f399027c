import ModelGraph
import Support

/// Writes products with integer weights so that their activations are quantized while the model
/// runs, in ONNX's own operators: MatMulInteger between the quantization of the activation and Cast
/// and Mul. ONNX Runtime fuses the form with DynamicQuantizeLinear into one operator.
public struct DynamicQuantizeInsertion {
  /// A product of an activation and weights that are integers around zero.
  public struct Product {
    /// A MatMul, or a Gemm with factors of 1 and an activation that isn't transposed.
    public let node: Node
    /// The constant of its weights, quantized.
    public let weights: Value
    /// Whether the constant is laid out `[outputs, inputs]`.
    public let isTransposed: Bool

    /// States a product.
    public init(node: Node, weights: Value, isTransposed: Bool) {
      self.node = node
      self.weights = weights
      self.isTransposed = isTransposed
    }
  }

  /// What gets integers.
  public struct Operators {
    /// Matrix products.
    public var products: [Product] = []
    /// Convolutions with quantized weights, which get a scale for the whole activation.
    public var convolutions: [Node] = []
    /// LSTMs with quantized weights, for onnxruntime's own operator.
    public var recurrences: [Node] = []

    /// Matrix products alone unless more is said.
    public init(
      products: [Product] = [], convolutions: [Node] = [], recurrences: [Node] = []
    ) {
      self.products = products
      self.convolutions = convolutions
      self.recurrences = recurrences
    }
  }

  /// What shares a scale among an activation's elements.
  public enum Granularity: Sendable {
    /// All of them, by DynamicQuantizeLinear.
    case tensor
    /// Those along the last axis: 7 bits and a sign around zero, shifted by 128.
    case row
  }

  /// An activation's integers with their scale and zero point.
  struct Integers {
    let values: Value
    let scale: Value
    let zeroPoint: Value
  }

  private let granularity: Granularity
  private let reducesByInput: Bool
  var draft: NodeDraft
  private var rows: [ObjectIdentifier: Integers] = [:]
  private var tensors: [ObjectIdentifier: Integers] = [:]
  private var turned: [ObjectIdentifier: Value] = [:]

  /// Replaces operators of the main graph.
  ///
  /// Weights get their `integerParts`. A float Transpose of weights that nothing reads any more is
  /// taken out.
  ///
  /// - Precondition: the model's operators have version 13 or newer.
  /// - Complexity: O(edges).
  public static func apply(
    _ operators: Operators, _ granularity: Granularity, to model: Model
  ) {
    let products = operators.products
    let graph = model.graph
    var pass = DynamicQuantizeInsertion(
      granularity: granularity, reducesByInput: model.standardOperatorVersion >= 18,
      draft: NodeDraft(model))
    let wanted = Dictionary(
      products.map { (ObjectIdentifier($0.node), $0) }
    ) { first, _ in first }
    let convolutions = Set(operators.convolutions.map(ObjectIdentifier.init))
    let recurrences = Set(operators.recurrences.map(ObjectIdentifier.init))
    var weights = products.map(\.weights)
    for node in graph.nodes {
      if let product = wanted[ObjectIdentifier(node)] {
        pass.replace(product)
      } else if convolutions.contains(ObjectIdentifier(node)) {
        weights += pass.replace(convolution: node)
      } else if recurrences.contains(ObjectIdentifier(node)) {
        weights += pass.replace(recurrence: node)
      } else {
        pass.draft.append(node)
      }
    }
    graph.nodes = pass.draft.nodes
    removeUnreadTransposes(of: products, from: graph)
    IntegerParts.settle(weights, in: graph)
    if !recurrences.isEmpty { model.importRuntimeOperators() }
  }

  private init(
    granularity: Granularity, reducesByInput: Bool, draft: NodeDraft
  ) {
    self.granularity = granularity
    self.reducesByInput = reducesByInput
    self.draft = draft
  }

  private static func removeUnreadTransposes(of products: [Product], from graph: Graph) {
    let weights = Set(products.map { ObjectIdentifier($0.weights) })
    let used = graph.readValues
    graph.nodes.removeAll { node in
      guard node.isONNX("Transpose"), let source = node.inputs.first ?? nil,
        let result = node.outputs.first ?? nil
      else { return false }
      return weights.contains(ObjectIdentifier(source)) && !used.contains(ObjectIdentifier(result))
    }
  }

  // MARK: Products

  private mutating func replace(_ replaced: Product) {
    let node = replaced.node
    guard let input = node.inputs[0], let output = node.outputs[0] else {
      draft.append(node)
      return
    }
    let name = node.displayName
    let activation = integers(of: input)
    let (weights, scales) = operand(replaced)
    let sums = draft.append(
      "MatMulInteger", name, [activation.values, weights, activation.zeroPoint])
    let floats = draft.append("Cast", name, [sums], [Attribute("to", .int(1))])
    let bias = node.inputs.count > 2 ? node.inputs[2] : nil
    let product = bias == nil ? output : Value(name: draft.name(name + "_product"))
    switch granularity {
    case .tensor:
      let scale = draft.append("Mul", name + "_scale", [activation.scale, scales])
      draft.append("Mul", name, [floats, scale], into: product)
    case .row:
      // Two scales multiplied first would be fused by a runtime that takes one scale for all rows.
      let part = draft.append("Mul", name + "_channels", [floats, scales])
      draft.append("Mul", name, [part, activation.scale], into: product)
    }
    if let bias { draft.append("Add", name, [product, bias], into: output) }
  }

  /// The integers of a product's weights as `[inputs, outputs]`, and their scales.
  private mutating func operand(_ product: Product) -> (integers: Value, scales: Value) {
    let identity = ObjectIdentifier(product.weights)
    let name = product.weights.name
    let found = draft.integerParts(of: product.weights)
    guard product.isTransposed else { return (found.integers, found.scales) }
    let integers =
      turned[identity]
      ?? draft.append("Transpose", name, [found.integers], [Attribute("perm", .ints([1, 0]))])
    turned[identity] = integers
    return (integers, found.scales)
  }

  // MARK: Activations

  /// An activation's integers, made once for all its readers.
  private mutating func integers(of value: Value) -> Integers {
    guard granularity == .row else { return tensorIntegers(of: value) }
    if let found = rows[ObjectIdentifier(value)] { return found }
    let made = rowIntegers(of: value)
    rows[ObjectIdentifier(value)] = made
    return made
  }

  /// An activation's integers with one scale, made once for all its readers.
  mutating func tensorIntegers(of value: Value) -> Integers {
    if let found = tensors[ObjectIdentifier(value)] { return found }
    let name = value.name
    let outputs = ["_quantized", "_scale", "_zero_point"].map { Value(name: draft.name(name + $0)) }
    draft.append(
      Node(
        name: name + "_DynamicQuantizeLinear", operatorType: "DynamicQuantizeLinear",
        inputs: [value], outputs: outputs))
    let made = Integers(values: outputs[0], scale: outputs[1], zeroPoint: outputs[2])
    tensors[ObjectIdentifier(value)] = made
    return made
  }

  /// `scale = max(max |x| / 127, tiny)`, `integer = round(x / scale) + 128`: a row of zeros stays
  /// zeros.
  private mutating func rowIntegers(of value: Value) -> Integers {
    let name = value.name
    let magnitudes = draft.append("Abs", name, [value])
    let largest: Value
    if reducesByInput {
      let axes = draft.constant("dynamic_quantization_axes", TensorData(int64: [-1]))
      largest = draft.append("ReduceMax", name, [magnitudes, axes])
    } else {
      largest = draft.append("ReduceMax", name, [magnitudes], [Attribute("axes", .ints([-1]))])
    }
    let step = draft.append(
      "Mul", name, [largest, draft.scalar("dynamic_quantization_step", 1 / 127)])
    let scale = draft.append(
      "Max", name, [step, draft.scalar("dynamic_quantization_least", 1e-30)])
    let steps = draft.append("Div", name, [value, scale])
    let rounded = draft.append("Round", name, [steps])
    let shifted = draft.append(
      "Add", name, [rounded, draft.scalar("dynamic_quantization_shift", 128)])
    let integers = draft.append("Cast", name, [shifted], [Attribute("to", .int(2))])
    let zeroPoint = draft.constant(
      "dynamic_quantization_zero_point",
      TensorData(elementType: .uint8, dimensions: [], storage: .packed(Bytes([128]))))
    return Integers(values: integers, scale: scale, zeroPoint: zeroPoint)
  }
}
