import ModelFormats
import ModelGraph
import Support

/// A graph on its way from MindSpore Lite's vocabulary to ONNX's.
///
/// Every tensor of the file is held as one value in some order of its axes: what convolutions make has
/// channels first, where the file has them last. An operator asks for its inputs in the order it wants,
/// and says in which order its result is; a transposition is written only where the two differ, and
/// those of the file just change the order.
///
/// Integers have 64 bits, as ONNX's shapes do; inputs and outputs have the file's types.
final class GraphReading {
  /// The value that stands for a tensor: its axis `i` is axis `order.axes[i]` of the tensor.
  struct Held {
    let value: Value
    /// nil for the tensor's own order.
    let order: AxisOrder?
  }

  private struct Request: Hashable {
    let tensor: Int
    let order: AxisOrder?
  }

  let source: MSLiteModel
  let graph: Graph
  /// Which tensors are extents of others, or have their elements.
  var extents = ExtentTracking()
  let main: MSLiteSubgraph
  /// The graph's inputs, by tensor.
  private(set) var inputs: [Int: Value] = [:]
  private let readers: [Int: [String]]
  private let makers: [Int: String]
  private var held: [Int: Held] = [:]
  private var requested: [Request: Value] = [:]
  private var elements: [Int: TensorData] = [:]
  private var facts: [ObjectIdentifier: ValueFacts] = [:]
  private var tensorNames: [Int: String] = [:]
  private var names: Set<String> = []
  /// Bytes of constants that may yet be made: tensors may share theirs, and nodes tensors.
  private var room: Int

  /// Takes a graph of a model; its inputs are held.
  init(_ source: MSLiteModel, _ main: MSLiteSubgraph) throws(Failure) {
    self.source = source
    self.main = main
    let prefix = MSLiteTranslator.graphPrefix
    let graphName = main.name.hasPrefix(prefix) ? main.name.dropFirst(prefix.count) : main.name[...]
    graph = Graph(name: graphName.isEmpty ? "main" : String(graphName))
    var readers: [Int: [String]] = [:]
    var makers: [Int: String] = [:]
    for node in main.nodes.lazy.map({ source.nodes[$0] }) {
      for input in node.inputs { readers[input, default: []].append(node.primitive.name) }
      for output in node.outputs { makers[output] = node.name }
    }
    for output in main.outputs { readers[output, default: []].append("") }
    self.readers = readers
    self.makers = makers
    room = (1 << 26) + 4 * ConstantReading.byteCount(of: source.tensors)
    for tensor in main.inputs + main.outputs { _ = name(of: tensor) }
    for tensor in main.inputs { try addInput(tensor) }
  }

  private func addInput(_ index: Int) throws(Failure) {
    let tensor = source.tensors[index]
    guard !tensor.isConstant, held[index] == nil else {
      throw malformed("its input '\(tensor.name)' is a constant, or is stated twice")
    }
    guard let type = ConstantReading.type(tensor.elementType) else {
      throw Failure(
        .modelUnsupported,
        "the input '\(tensor.name)' of type \(tensor.elementType.name) cannot be read",
        help: "convert the model that the file was made from")
    }
    let value = Value(name: name(of: index))
    // Without extents it is a scalar, or of a shape that isn't known.
    let extents: [Int?]? =
      tensor.dimensions.isEmpty ? nil : tensor.dimensions.map { $0 >= 0 ? $0 : nil }
    value.type = .tensor(
      tensor.elementType, shape: extents?.map { $0.map { Dimension.fixed($0) } ?? .unknown })
    graph.inputs.append(value)
    inputs[index] = value
    facts[ObjectIdentifier(value)] = ValueFacts(elementType: tensor.elementType, shape: extents)
    hold(index, cast(value, to: type, name: unique(value.name + "_wide")), nil)
  }

  /// Says that a file contradicts itself.
  func malformed(_ reason: String) -> Failure {
    Failure(
      .modelMalformed, "the .ms file is not sound", notes: [reason],
      help: "convert the model again")
  }

  // MARK: What is known

  /// The elements of a constant tensor.
  ///
  /// - Throws: a constant without a form in ONNX's vocabulary.
  func constant(_ tensor: Int) throws(Failure) -> TensorData? {
    guard source.tensors[tensor].isConstant else { return nil }
    if let known = elements[tensor] { return known }
    let data = try ConstantReading.data(source.tensors[tensor])
    if data.elementType != source.tensors[tensor].elementType { try spend(data.byteCount) }
    elements[tensor] = data
    return data
  }

  private func spend(_ bytes: Int) throws(Failure) {
    room -= bytes
    if room < 0 { throw malformed("its nodes and tensors share their constants too often") }
  }

  /// The integers of a constant tensor; nil for one that is no list of axes or extents.
  func integers(_ tensor: Int?) throws(Failure) -> [Int64]? {
    guard let tensor, let data = try constant(tensor), data.elementCount <= 1024 else { return nil }
    return data.integers
  }

  /// The integers that a setting of a node states, or else a constant input.
  func integers(
    of node: MSLiteNode, _ setting: String, orInput index: Int
  ) throws(Failure) -> [Int64]? {
    if let stated = node.ints(setting) { return stated }
    return try integers(node.operandIfAny(index))
  }

  /// What is known of a value.
  func facts(of value: Value) -> ValueFacts { facts[ObjectIdentifier(value)] ?? ValueFacts() }

  /// The extents of a tensor in its own order, as far as they are known.
  func shape(of tensor: Int) -> [Int?]? {
    if source.tensors[tensor].isConstant { return source.tensors[tensor].dimensions }
    guard let held = held[tensor], let shape = facts(of: held.value).shape else { return nil }
    guard let order = held.order, order.rank == shape.count else { return shape }
    return order.axes.indices.map { shape[order.place(of: $0)] }
  }

  /// How many axes a tensor has.
  func rank(of tensor: Int) -> Int? { shape(of: tensor)?.count ?? held[tensor]?.order?.rank }

  /// The order that a tensor is held in; nil for its own, and for constants.
  func order(of tensor: Int) -> AxisOrder? { held[tensor]?.order }

  /// The operators that read a tensor, once for each time they do; the graph's caller is one without
  /// a name.
  func readers(of tensor: Int) -> [String] { readers[tensor] ?? [] }

  // MARK: Asking for values

  /// What stands for a tensor.
  func heldValue(_ tensor: Int) throws(Failure) -> Held {
    if let known = held[tensor] { return known }
    return Held(value: try value(tensor, nil), order: nil)
  }

  /// The value of a tensor in the file's order of axes.
  func plain(_ tensor: Int) throws(Failure) -> Value { try value(tensor, nil) }

  /// The value of a tensor in an order of its axes; nil for the file's.
  ///
  /// - Throws: a tensor that nothing has made, or of another rank.
  func value(_ tensor: Int, _ order: AxisOrder?) throws(Failure) -> Value {
    let order = order.flatMap { $0.isPlain ? nil : $0 }
    let request = Request(tensor: tensor, order: order)
    if let known = requested[request] { return known }
    let value: Value
    if let data = try constant(tensor) {
      value = try constantValue(tensor, data, order)
    } else {
      guard let held = held[tensor] else {
        throw malformed("its tensor '\(source.tensors[tensor].name)' is read before it is made")
      }
      if let order, let known = rank(of: tensor), known != order.rank {
        throw malformed(
          "its tensor '\(source.tensors[tensor].name)' has \(known) axes, not \(order.rank)")
      }
      value = reordered(tensor, held, order)
    }
    requested[request] = value
    return value
  }

  private func constantValue(
    _ tensor: Int, _ data: TensorData, _ order: AxisOrder?
  ) throws(Failure) -> Value {
    guard let order else { return add(data, name: name(of: tensor)) }
    guard data.dimensions.count <= order.rank else {
      throw malformed("its constant '\(source.tensors[tensor].name)' has too many axes")
    }
    let arranged = ConstantReading.arranged(data, order)
    try spend(arranged.byteCount)
    let isFirst = requested[Request(tensor: tensor, order: nil)] == nil
    return add(arranged, name: isFirst ? name(of: tensor) : unique(name(of: tensor) + "_moved"))
  }

  private func reordered(_ tensor: Int, _ held: Held, _ order: AxisOrder?) -> Value {
    guard held.order != order, let rank = (held.order ?? order)?.rank else { return held.value }
    let from = held.order ?? .plain(rank)
    let perm = Attribute(
      "perm", .ints(from.steps(to: order ?? .plain(rank)).map { Int64($0) }))
    let own = name(of: tensor)
    if order == nil, held.value.name != own, let maker = makers[tensor] {
      return add("Transpose", [held.value], [perm], name: maker, output: own)
    }
    let name = unique(own + (order == nil ? "_plain" : "_reordered"))
    return add("Transpose", [held.value], [perm], name: name, output: name)
  }

  /// A constant list of integers, or one integer.
  func integerValue(_ values: [Int64], isScalar: Bool = false) -> Value {
    add(TensorData(int64: values, isScalar: isScalar), name: unique("integers"))
  }

  /// A constant number.
  func number(_ value: Float) -> Value {
    add(TensorData(float32: [value], isScalar: true), name: unique("number"))
  }

  /// A constant.
  func add(_ data: TensorData, name: String) -> Value {
    let value = Value(name: name)
    value.initializer = data
    facts[ObjectIdentifier(value)] = FactTable.facts(of: data)
    graph.initializers.append(value)
    return value
  }

  // MARK: Writing nodes

  /// Adds a node with one result.
  func add(
    _ type: String, _ inputs: [Value?], _ attributes: [Attribute] = [],
    name: String, output: String
  ) -> Value {
    let value = Value(name: output)
    append(type, inputs, [value], attributes, name: name)
    return value
  }

  /// Adds a node that is a step of one of the file's; its result gets the step's name.
  func step(
    _ type: String, _ inputs: [Value?], _ attributes: [Attribute] = [],
    of node: MSLiteNode, _ suffix: String
  ) -> Value {
    let name = unique(node.name + suffix)
    return add(type, inputs, attributes, name: name, output: name)
  }

  private func append(
    _ type: String, _ inputs: [Value?], _ outputs: [Value?],
    _ attributes: [Attribute], name: String
  ) {
    let node = Node(
      name: name, operatorType: type, inputs: inputs, outputs: outputs,
      attributes: attributes)
    graph.nodes.append(node)
    let results = FactRules.results(of: node, inputs: inputs.map { $0.map(facts) })
    for (output, result) in zip(outputs, results) {
      if let output { facts[ObjectIdentifier(output)] = result }
    }
  }

  /// Adds a node whose result is that of the file's, before an activation if it has one.
  ///
  /// - Parameters:
  ///   - bias: what is added to the result, before the activation.
  ///   - order: the order of the result's axes; nil for the file's.
  func emit(
    _ type: String, _ inputs: [Value?], _ attributes: [Attribute] = [],
    for node: MSLiteNode, bias: Value? = nil, order: AxisOrder? = nil
  ) throws(Failure) {
    let tensor = try output(of: node)
    let activation = node.primitive.name == "Activation" ? 0 : node.int("activation_type") ?? 0
    var steps = (bias == nil ? 0 : 1) + (activation == 0 ? 0 : 1)
    func resultName(_ suffix: String) -> String {
      defer { steps -= 1 }
      return steps == 0 ? name(of: tensor) : unique(name(of: tensor) + suffix)
    }
    var value = add(
      type, inputs, attributes, name: node.name, output: resultName("_linear"))
    if let bias {
      value = add(
        "Add", [value, bias], name: unique(node.name + "_bias"), output: resultName("_biased"))
    }
    if activation != 0 {
      value = try ActivationReadings.apply(
        activation, to: value, self, node, name: unique(node.name + "_activation"),
        output: resultName(""))
    }
    try hold(node, value, order)
  }

  /// Adds a node with several results, all in the same order of axes; those that nothing reads are left
  /// out if they may be.
  func emit(
    _ type: String, _ inputs: [Value?], _ attributes: [Attribute] = [],
    allOutputsOf node: MSLiteNode, order: AxisOrder? = nil, leavesOut: Bool = false
  ) throws(Failure) {
    var outputs: [Value?] = []
    for tensor in node.outputs {
      try checkUnmade(tensor)
      let isLeftOut = leavesOut && readers(of: tensor).isEmpty
      let value = isLeftOut ? nil : Value(name: name(of: tensor))
      outputs.append(value)
      if let value { hold(tensor, value, order) }
    }
    append(type, inputs, outputs, attributes, name: node.name)
  }

  /// The value in another type; the value itself if it has that.
  func cast(_ value: Value, to type: ElementType, name: String) -> Value {
    if facts(of: value).elementType == type { return value }
    return add(
      "Cast", [value], [Attribute("to", .int(Int64(type.onnxCode)))], name: name, output: name)
  }

  /// The tensor that a node makes.
  func output(of node: MSLiteNode) throws(Failure) -> Int {
    guard let tensor = node.outputs.first else { throw node.unreadable("it makes nothing") }
    return tensor
  }

  /// Says which value stands for what a node makes.
  func hold(_ node: MSLiteNode, _ value: Value, _ order: AxisOrder?) throws(Failure) {
    let tensor = try output(of: node)
    try checkUnmade(tensor)
    hold(tensor, value, order)
  }

  private func checkUnmade(_ tensor: Int) throws(Failure) {
    guard held[tensor] == nil, !source.tensors[tensor].isConstant else {
      throw malformed("its tensor '\(source.tensors[tensor].name)' is made twice")
    }
  }

  private func hold(_ tensor: Int, _ value: Value, _ order: AxisOrder?) {
    let order = order.flatMap { $0.isPlain ? nil : $0 }
    held[tensor] = Held(value: value, order: order)
    requested[Request(tensor: tensor, order: order)] = value
  }

  // MARK: Names and results

  /// The name of a tensor's value: the file's, made different from others.
  func name(of tensor: Int) -> String {
    if let known = tensorNames[tensor] { return known }
    let given = source.tensors[tensor].name
    let name = unique(given.isEmpty ? "tensor_\(tensor)" : given)
    tensorNames[tensor] = name
    return name
  }

  /// A name that no value has yet, beginning with this one.
  func unique(_ base: String) -> String {
    var name = base
    var number = 1
    while !names.insert(name).inserted {
      number += 1
      name = "\(base)_\(number)"
    }
    return name
  }
}
