import ModelGraph
import Support

/// Writes quantized activations in ONNX's way: QuantizeLinear and DequantizeLinear between a value
/// and those who read its quantized form.
///
/// Runtimes recognise operators between such pairs and run them in integers.
public struct QuantizeLinearInsertion {
  private var names: UniqueNames
  private let graph: Graph
  private var readers: [ObjectIdentifier: [Node]] = [:]
  private var inserted: [InsertedPair] = []

  /// Inserts the pairs of all activations of the main graph that have parameters.
  ///
  /// A value that all read keeps its name behind the pair; what makes it makes a new value.
  ///
  /// - Returns: what was inserted, in the graph's order.
  @discardableResult
  public static func apply(to model: Model) -> [InsertedPair] {
    let graph = model.graph
    var pass = QuantizeLinearInsertion(names: UniqueNames(in: model), graph: graph)
    var result: [Node] = []
    for value in graph.inputs { result += pass.pair(for: value) }
    for node in graph.nodes {
      result.append(node)
      for case let value? in node.outputs { result += pass.pair(for: value) }
    }
    graph.nodes = result
    return pass.inserted
  }

  private init(names: UniqueNames, graph: Graph) {
    self.names = names
    self.graph = graph
    for node in graph.nodes {
      for case let input? in node.inputs {
        readers[ObjectIdentifier(input), default: []].append(node)
      }
    }
  }

  /// The pair for a value; none where it has no parameters.
  private mutating func pair(for value: Value) -> [Node] {
    guard let parameters = value.activation else { return [] }
    value.activation = nil
    let base = value.name
    let scale = constant(base + "_scale", TensorData(float32: [parameters.scale], isScalar: true))
    let zeroPoint = constant(
      base + "_zero_point",
      TensorData(
        elementType: parameters.elementType, dimensions: [],
        storage: .packed(Bytes([UInt8(truncatingIfNeeded: parameters.zeroPoint)]))))
    let equalized = parameters.factors?.equalized ?? []
    let quantized = Value(name: names.make(base + "_quantized"))
    var source = value
    var nodes: [Node] = []
    let isForAll = if case .all = parameters.readers { true } else { false }
    if isForAll {
      source = Value(name: names.make(base + "_float"))
      if let producer = value.producer {
        producer.outputs = producer.outputs.map { $0 === value ? source : $0 }
      }
    }
    if let factors = parameters.factors,
      !(source.producer.map { equalized.contains(ObjectIdentifier($0)) } ?? false)
    {
      let spread = Value(name: names.make(base + "_spread"))
      nodes.append(multiplication(base + "_spread", source, factors.values, factors, spread))
      source = spread
    }
    nodes.append(
      Node(
        name: base + "_QuantizeLinear", operatorType: "QuantizeLinear",
        inputs: [source, scale, zeroPoint], outputs: [quantized]))
    let dequantized =
      isForAll && parameters.factors == nil
      ? value : Value(name: names.make(base + "_dequantized"))
    nodes.append(
      Node(
        name: base + "_DequantizeLinear", operatorType: "DequantizeLinear",
        inputs: [quantized, scale, zeroPoint], outputs: [dequantized]))
    var directReaders: Set<ObjectIdentifier> = []
    let readers = readers[ObjectIdentifier(value)] ?? []
    for reader in readers where dequantized !== value {
      let isIntegerReader =
        switch parameters.readers {
        case .all: equalized.contains(ObjectIdentifier(reader))
        case .nodes(let wanted): wanted.contains(ObjectIdentifier(reader))
        }
      guard isIntegerReader else { continue }
      reader.inputs = reader.inputs.map { $0 === value ? dequantized : $0 }
      directReaders.insert(ObjectIdentifier(reader))
    }
    inserted.append(
      InsertedPair(
        name: base, quantization: parameters, dequantizedName: dequantized.name,
        directReaders: directReaders))
    if isForAll, let factors = parameters.factors {
      nodes.append(
        multiplication(
          base + "_gather", dequantized, factors.values.map { 1 / $0 }, factors, value))
    }
    return nodes
  }

  private mutating func multiplication(
    _ name: String, _ input: Value, _ values: [Float],
    _ factors: ActivationQuantization.ChannelFactors, _ output: Value
  ) -> Node {
    let shape = [values.count] + Array(repeating: 1, count: factors.trailingAxes)
    let constant = constant(name + "_factors", TensorData(float32: values, dimensions: shape))
    return Node(
      name: name + "_Mul", operatorType: "Mul", inputs: [input, constant], outputs: [output])
  }

  private mutating func constant(_ name: String, _ data: TensorData) -> Value {
    let value = Value(name: names.make(name))
    value.initializer = data
    graph.initializers.append(value)
    return value
  }
}
