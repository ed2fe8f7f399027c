import ModelGraph

/// A graph's nodes as a pass writes them anew, with what it adds: nodes, constants, names.
struct NodeDraft {
  /// The nodes so far.
  private(set) var nodes: [Node] = []
  private let graph: Graph
  private var names: UniqueNames
  private var nodeNames: Set<String>
  private var constants: [String: Value] = [:]

  /// A draft without nodes of a model's main graph.
  init(_ model: Model) {
    graph = model.graph
    names = UniqueNames(in: model)
    nodeNames = Set(model.graph.nodes.map(\.name))
  }

  /// A name that no value has.
  mutating func name(_ base: String) -> String { names.make(base) }

  /// Appends a node as it is.
  mutating func append(_ node: Node) { nodes.append(node) }

  /// Appends a node with one result, a new value if none is given.
  @discardableResult
  mutating func append(
    _ type: String, _ base: String, _ inputs: [Value], _ attributes: [Attribute] = [],
    into result: Value? = nil
  ) -> Value {
    let output = result ?? Value(name: names.make("\(base)_\(type)"))
    var name = "\(base)_\(type)"
    if !nodeNames.insert(name).inserted {
      name = output.name + "_" + type
      var number = 2
      while !nodeNames.insert(name).inserted {
        name = "\(output.name)_\(type)_\(number)"
        number += 1
      }
    }
    nodes.append(
      Node(
        name: name, operatorType: type, inputs: inputs, outputs: [output],
        attributes: attributes))
    return output
  }

  /// A constant, added to the graph when it is asked for first.
  mutating func constant(_ name: String, _ data: TensorData) -> Value {
    if let found = constants[name] { return found }
    let value = Value(name: names.make(name))
    value.initializer = data
    graph.initializers.append(value)
    constants[name] = value
    return value
  }

  /// A constant number.
  mutating func scalar(_ name: String, _ number: Float) -> Value {
    constant(name, TensorData(float32: [number], isScalar: true))
  }

  /// The integers and scales of quantized weights as values, made when they are asked for first.
  mutating func integerParts(of weights: Value, hasZeroPoints: Bool = false) -> IntegerParts {
    if let found = weights.integerParts { return found }
    let name = weights.name
    let made = IntegerParts(
      integers: Value(name: names.make(name + "_quantized")),
      scales: Value(name: names.make(name + "_scale")),
      zeroPoints: hasZeroPoints ? Value(name: names.make(name + "_zero_point")) : nil)
    weights.integerParts = made
    return made
  }
}

extension IntegerParts {
  /// Notes of weights whether anything still reads them as floats.
  ///
  /// - Complexity: O(edges).
  static func settle(_ weights: [Value], in graph: Graph) {
    let read = graph.readValues
    for value in weights {
      value.integerParts?.keepsFloats = read.contains(ObjectIdentifier(value))
    }
  }
}

extension Graph {
  /// What nodes of this graph and of those inside it read, and what they give.
  var readValues: Set<ObjectIdentifier> {
    let read = allGraphs.flatMap { graph in
      graph.nodes.flatMap { $0.inputs.compactMap { $0 } } + graph.outputs
    }
    return Set(read.map(ObjectIdentifier.init))
  }
}
