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
    /// What each channel of the activation is divided by first; nil without.
    public let factors: [Float]?

    /// States a product.
    public init(node: Node, weights: Value, isTransposed: Bool, factors: [Float]? = nil) {
      self.factors = factors
      self.node = node
      self.weights = weights
      self.isTransposed = isTransposed
    }
  }

  /// A Gather along the first of two axes of a table that is quantized around zero, row by row or as
  /// a whole.
  public struct Lookup {
    /// The Gather.
    public let node: Node
    /// The table.
    public let weights: Value

    /// States a lookup.
    public init(node: Node, weights: Value) {
      self.node = node
      self.weights = weights
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
  private struct Integers {
    let values: Value
    let scale: Value
    let zeroPoint: Value
  }

  private let granularity: Granularity
  private let graph: Graph
  private let reducesByInput: Bool
  private var names: UniqueNames
  private var nodes: [Node] = []
  private var activations: [ObjectIdentifier: Integers] = [:]
  private var turned: [ObjectIdentifier: Value] = [:]
  private var parts: [ObjectIdentifier: (integers: Value, scales: Value)] = [:]
  private var constants: [String: Value] = [:]

  /// Replaces products and lookups of the main graph.
  ///
  /// Weights get their `integerParts`. A float Transpose of weights that nothing reads any more is
  /// taken out.
  ///
  /// - Precondition: the model's operators have version 13 or newer.
  /// - Complexity: O(edges).
  public static func apply(
    _ products: [Product], lookups: [Lookup] = [], _ granularity: Granularity, to model: Model
  ) {
    let graph = model.graph
    var pass = DynamicQuantizeInsertion(
      granularity: granularity, graph: graph,
      reducesByInput: model.standardOperatorVersion >= 18, names: UniqueNames(in: model))
    let wanted = Dictionary(
      products.map { (ObjectIdentifier($0.node), $0) }
    ) { first, _ in first }
    for node in graph.nodes {
      if let product = wanted[ObjectIdentifier(node)] {
        pass.replace(product)
      } else if let lookup = lookups.first(where: { $0.node === node }) {
        pass.replace(lookup)
      } else {
        pass.nodes.append(node)
      }
    }
    graph.nodes = pass.nodes
    let read = removeUnreadTransposes(of: products, from: graph)
    for weights in products.map(\.weights) + lookups.map(\.weights) {
      let identity = ObjectIdentifier(weights)
      guard let (integers, scales) = pass.parts[identity] else { continue }
      weights.integerParts = IntegerParts(
        integers: integers, scales: scales, keepsFloats: read.contains(identity))
    }
  }

  private init(
    granularity: Granularity, graph: Graph, reducesByInput: Bool, names: UniqueNames
  ) {
    self.granularity = granularity
    self.graph = graph
    self.reducesByInput = reducesByInput
    self.names = names
  }

  /// Returns the values that are still read.
  private static func removeUnreadTransposes(
    of products: [Product], from graph: Graph
  ) -> Set<ObjectIdentifier> {
    func read() -> Set<ObjectIdentifier> {
      let inputs = graph.allGraphs.flatMap { graph in
        graph.nodes.flatMap { $0.inputs.compactMap { $0 } } + graph.outputs
      }
      return Set(inputs.map(ObjectIdentifier.init))
    }
    let weights = Set(products.map { ObjectIdentifier($0.weights) })
    let used = read()
    graph.nodes.removeAll { node in
      guard node.isONNX("Transpose"), let source = node.inputs.first ?? nil,
        let result = node.outputs.first ?? nil
      else { return false }
      return weights.contains(ObjectIdentifier(source)) && !used.contains(ObjectIdentifier(result))
    }
    return read()
  }

  // MARK: Products

  private mutating func replace(_ replaced: Product) {
    let node = replaced.node
    guard var input = node.inputs[0], let output = node.outputs[0] else {
      nodes.append(node)
      return
    }
    let name = node.displayName
    if let factors = replaced.factors {
      let inverse = constant(
        input.name + "_factors_" + name, TensorData(float32: factors.map { 1 / $0 }))
      input = append("Mul", name + "_input", [input, inverse])
    }
    let activation = integers(of: input)
    let (weights, scales) = operand(replaced)
    let sums = append("MatMulInteger", name, [activation.values, weights, activation.zeroPoint])
    let floats = append("Cast", name, [sums], [Attribute("to", .int(1))])
    let bias = node.inputs.count > 2 ? node.inputs[2] : nil
    let product = bias == nil ? output : Value(name: names.make(name + "_product"))
    switch granularity {
    case .tensor:
      let scale = append("Mul", name + "_scale", [activation.scale, scales])
      append("Mul", name, [floats, scale], into: product)
    case .row:
      // Two scales multiplied first would be fused by a runtime that takes one scale for all rows.
      let part = append("Mul", name + "_channels", [floats, scales])
      append("Mul", name, [part, activation.scale], into: product)
    }
    if let bias { append("Add", name, [product, bias], into: output) }
  }

  /// Looks integers up, and then the scale of each row.
  private mutating func replace(_ lookup: Lookup) {
    let node = lookup.node
    guard let indices = node.inputs[1], let output = node.outputs[0],
      let quantized = lookup.weights.quantized
    else {
      nodes.append(node)
      return
    }
    let name = node.displayName
    let table = integerParts(of: lookup.weights)
    let integers = append("Gather", name + "_rows", [table.integers, indices])
    let floats = append("Cast", name, [integers], [Attribute("to", .int(1))])
    var scale = table.scales
    if quantized.storage.axis != nil {
      let scales = append("Gather", name + "_scales", [table.scales, indices])
      let axes = constant("dynamic_quantization_axes", TensorData(int64: [-1]))
      scale = append("Unsqueeze", name, [scales, axes])
    }
    append("Mul", name, [floats, scale], into: output)
  }

  private mutating func integerParts(of weights: Value) -> (integers: Value, scales: Value) {
    let name = weights.name
    let found =
      parts[ObjectIdentifier(weights)]
      ?? (
        Value(name: names.make(name + "_quantized")), Value(name: names.make(name + "_scale"))
      )
    parts[ObjectIdentifier(weights)] = found
    return found
  }

  /// The integers of a product's weights as `[inputs, outputs]`, and their scales.
  private mutating func operand(_ product: Product) -> (integers: Value, scales: Value) {
    let identity = ObjectIdentifier(product.weights)
    let name = product.weights.name
    let found = integerParts(of: product.weights)
    guard product.isTransposed else { return found }
    let integers =
      turned[identity]
      ?? append("Transpose", name, [found.integers], [Attribute("perm", .ints([1, 0]))])
    turned[identity] = integers
    return (integers, found.scales)
  }

  // MARK: Activations

  /// An activation's integers, made once for all its readers.
  private mutating func integers(of value: Value) -> Integers {
    if let found = activations[ObjectIdentifier(value)] { return found }
    let made = granularity == .tensor ? tensorIntegers(of: value) : rowIntegers(of: value)
    activations[ObjectIdentifier(value)] = made
    return made
  }

  private mutating func tensorIntegers(of value: Value) -> Integers {
    let name = value.name
    let outputs = ["_quantized", "_scale", "_zero_point"].map { Value(name: names.make(name + $0)) }
    nodes.append(
      Node(
        name: name + "_DynamicQuantizeLinear", operatorType: "DynamicQuantizeLinear",
        inputs: [value], outputs: outputs))
    return Integers(values: outputs[0], scale: outputs[1], zeroPoint: outputs[2])
  }

  /// `scale = max(max |x| / 127, tiny)`, `integer = round(x / scale) + 128`: a row of zeros stays
  /// zeros.
  private mutating func rowIntegers(of value: Value) -> Integers {
    let name = value.name
    let magnitudes = append("Abs", name, [value])
    let largest: Value
    if reducesByInput {
      let axes = constant("dynamic_quantization_axes", TensorData(int64: [-1]))
      largest = append("ReduceMax", name, [magnitudes, axes])
    } else {
      largest = append("ReduceMax", name, [magnitudes], [Attribute("axes", .ints([-1]))])
    }
    let step = append("Mul", name, [largest, scalar("dynamic_quantization_step", 1 / 127)])
    let scale = append("Max", name, [step, scalar("dynamic_quantization_least", 1e-30)])
    let steps = append("Div", name, [value, scale])
    let rounded = append("Round", name, [steps])
    let shifted = append("Add", name, [rounded, scalar("dynamic_quantization_shift", 128)])
    let integers = append("Cast", name, [shifted], [Attribute("to", .int(2))])
    let zeroPoint = constant(
      "dynamic_quantization_zero_point",
      TensorData(elementType: .uint8, dimensions: [], storage: .packed(Bytes([128]))))
    return Integers(values: integers, scale: scale, zeroPoint: zeroPoint)
  }

  // MARK: Parts

  private mutating func scalar(_ name: String, _ number: Float) -> Value {
    constant(name, TensorData(float32: [number], isScalar: true))
  }

  /// A constant of all products.
  private mutating func constant(_ name: String, _ data: TensorData) -> Value {
    if let found = constants[name] { return found }
    let value = Value(name: names.make(name))
    value.initializer = data
    graph.initializers.append(value)
    constants[name] = value
    return value
  }

  /// Appends a node with one result, a new value if none is given.
  @discardableResult
  private mutating func append(
    _ type: String, _ base: String, _ inputs: [Value], _ attributes: [Attribute] = [],
    into result: Value? = nil
  ) -> Value {
    let output = result ?? Value(name: names.make("\(base)_\(type)"))
    nodes.append(
      Node(
        name: "\(base)_\(type)", operatorType: type, inputs: inputs, outputs: [output],
        attributes: attributes))
    return output
  }
}
