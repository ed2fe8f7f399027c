import ModelGraph

/// Reads what stands between QuantizeLinear and DequantizeLinear: the float value gets the
/// parameters, and the two nodes go. Operators between them that only move integers become operators
/// on floats.
struct PairReading {
  /// A float value that integers stand for.
  private struct Standing {
    let float: Value
    let grid: StatedGrid
    /// The scale and the zero point, as nodes read them.
    let parameters: [Value?]
    /// What makes the integers of the floats.
    let quantize: Node
  }

  private let graph: Graph
  private let options: QuantizationReading.Options
  private var names: UniqueNames
  private var standing: [ObjectIdentifier: Standing] = [:]
  /// What the integers of a DequantizeLinear's result stand for.
  private var origins: [ObjectIdentifier: Standing] = [:]
  /// Float values with parameters, in the graph's order, and the DequantizeLinear of each.
  private var order: [Value] = []
  private var pairs: [ObjectIdentifier: (grid: StatedGrid, dequantizes: [Node])] = [:]
  private(set) var count = 0
  private(set) var problems: [(node: Node, problem: StatedGrid.Problem)] = []

  /// Operators that move integers of their first input, or of all (Concat).
  static let movers: Set<String> = [
    "Concat", "DepthToSpace", "Expand", "Flatten", "Gather", "Identity", "MaxPool", "Reshape",
    "Slice", "SpaceToDepth", "Squeeze", "Tile", "Transpose", "Unsqueeze",
  ]

  /// Changes the main graph.
  ///
  /// - Returns: how many activations got parameters, and nodes that are left as they are.
  /// - Complexity: O(edges).
  static func apply(
    to graph: Graph, _ options: QuantizationReading.Options
  ) -> (count: Int, problems: [(node: Node, problem: StatedGrid.Problem)]) {
    var pass = PairReading(graph: graph, options: options, names: UniqueNames(in: graph))
    graph.nodes = graph.nodes.flatMap { pass.visit($0) }
    pass.assign()
    pass.removeUnread()
    return (pass.count, pass.problems)
  }

  private init(graph: Graph, options: QuantizationReading.Options, names: UniqueNames) {
    self.graph = graph
    self.options = options
    self.names = names
  }

  // MARK: Integers and the floats they stand for

  /// Notes what a node makes.
  ///
  /// - Returns: what stands in its place.
  private mutating func visit(_ node: Node) -> [Node] {
    do throws(StatedGrid.Problem) {
      if StatedGrid.isQuantize(node) {
        try note(node)
      } else if StatedGrid.isDequantize(node) {
        try pair(node)
      } else if let range = IntegerClip.range(of: node) {
        return clipped(node, range)
      } else if node.isStandard, PairReading.movers.contains(node.operatorType) {
        return moved(node)
      }
    } catch {
      problems.append((node, error))
    }
    return [node]
  }

  private mutating func note(_ node: Node) throws(StatedGrid.Problem) {
    guard let float = node.inputs[0], float.constant == nil, let integers = node.outputs[0] else {
      return
    }
    let grid = try StatedGrid(node, integers: nil)
    guard grid.axis == nil else { throw .channelsOfActivation }
    guard grid.elementType != .int32 else { throw .elementType(.int32) }
    let origin = origins[ObjectIdentifier(float)]
    if let origin, origin.grid != grid { throw .otherGrid }
    standing[ObjectIdentifier(integers)] = Standing(
      float: origin?.float ?? float, grid: grid, parameters: Array(node.inputs.dropFirst()),
      quantize: node)
  }

  private mutating func pair(_ node: Node) throws(StatedGrid.Problem) {
    guard let integers = node.inputs[0], let source = standing[ObjectIdentifier(integers)] else {
      return
    }
    let grid = try StatedGrid(node, integers: source.grid.elementType)
    guard grid == source.grid, node.outputs[0] !== source.float else { throw .otherGrid }
    let identity = ObjectIdentifier(source.float)
    if pairs[identity] == nil {
      pairs[identity] = (grid, [])
      order.append(source.float)
    }
    guard pairs[identity]?.grid == grid else { throw .otherGrid }
    pairs[identity]?.dequantizes.append(node)
    if let result = node.outputs[0] { origins[ObjectIdentifier(result)] = source }
  }

  /// The floats that integers stand for, for a node that shall read those.
  private mutating func dequantized(_ integers: Value, _ source: Standing) -> (Node, Value) {
    let float = Value(name: names.make(integers.name + "_dequantized"))
    let node = Node(
      name: float.name, operatorType: "DequantizeLinear", inputs: [integers] + source.parameters,
      outputs: [float])
    do throws(StatedGrid.Problem) { try pair(node) } catch { problems.append((node, error)) }
    return (node, float)
  }

  /// A node that moves integers, as one that moves floats between pairs.
  private mutating func moved(_ node: Node) -> [Node] {
    guard node.outputs.count == 1, let result = node.outputs[0] else { return [node] }
    let count = node.operatorType == "Concat" ? node.inputs.count : 1
    let integers = node.inputs.prefix(count).compactMap { $0 }
    let sources = integers.compactMap { standing[ObjectIdentifier($0)] }
    guard let first = sources.first, sources.count == node.inputs.prefix(count).count,
      sources.allSatisfy({ $0.grid == first.grid })
    else { return [node] }
    var nodes: [Node] = []
    for (place, source) in sources.enumerated() {
      let (dequantize, float) = dequantized(integers[place], source)
      nodes.append(dequantize)
      node.inputs[place] = float
    }
    return nodes + [node, behind(node, result, first)]
  }

  /// A Clip of integers, as one of floats: rounding keeps the order, and both limits are on the grid.
  private mutating func clipped(
    _ node: Node, _ range: (type: ElementType, limits: ClosedRange<Int32>)
  ) -> [Node] {
    guard let input = node.inputs[0], let source = standing[ObjectIdentifier(input)],
      source.grid.elementType == range.type, let result = node.outputs[0]
    else { return [node] }
    let limits = [range.limits.lowerBound, range.limits.upperBound].map { integer in
      let value = Value(name: names.make(result.name + "_limit"))
      value.initializer = TensorData(
        float32: [Float(integer - source.grid.zeroPoints[0]) * source.grid.scales[0]],
        isScalar: true)
      graph.initializers.append(value)
      return value
    }
    node.inputs = [source.float] + limits
    return [node, behind(node, result, source)]
  }

  /// Lets a node that now makes floats make a new value, and a QuantizeLinear make its old one.
  private mutating func behind(_ node: Node, _ result: Value, _ source: Standing) -> Node {
    let float = Value(name: names.make(result.name + "_float"))
    node.outputs = [float]
    let quantize = Node(
      name: names.make(result.name + "_QuantizeLinear"), operatorType: "QuantizeLinear",
      inputs: [float] + source.parameters, outputs: [result])
    standing[ObjectIdentifier(result)] = Standing(
      float: float, grid: source.grid, parameters: source.parameters, quantize: quantize)
    return quantize
  }

  // MARK: Giving values their parameters

  private mutating func assign() {
    let uses = GraphUses(graph)
    let inner = Set(
      graph.allGraphs.dropFirst().flatMap(\.nodes).map(ObjectIdentifier.init))
    var replaced: [ObjectIdentifier: Value] = [:]
    var removed: Set<ObjectIdentifier> = []
    for value in order {
      guard let (grid, dequantizes) = pairs[ObjectIdentifier(value)] else { continue }
      guard let readers = readers(of: value, dequantizes, grid, uses, inner) else {
        problems += dequantizes.map { ($0, .otherReaders) }
        continue
      }
      for node in dequantizes {
        removed.insert(ObjectIdentifier(node))
        guard let result = node.outputs[0] else { continue }
        if uses.isOutput(result) { takeOver(result, by: value) }
        replaced[ObjectIdentifier(result)] = value
      }
      count += 1
      if options.keepsParameters { value.activation = activation(grid, readers) }
    }
    graph.nodes.removeAll { removed.contains(ObjectIdentifier($0)) }
    Rewiring.replace(replaced, in: graph)
  }

  private func activation(
    _ grid: StatedGrid, _ readers: ActivationQuantization.Readers
  ) -> ActivationQuantization {
    let shifts = options.isSigned && grid.elementType == .uint8
    return ActivationQuantization(
      elementType: shifts ? .int8 : grid.elementType, scale: grid.scales[0],
      zeroPoint: grid.zeroPoints[0] - (shifts ? 128 : 0), readers: readers)
  }

  /// Who reads the quantized form of a value; nil where that can't be said.
  private func readers(
    of value: Value, _ dequantizes: [Node], _ grid: StatedGrid, _ uses: GraphUses,
    _ inner: Set<ObjectIdentifier>
  ) -> ActivationQuantization.Readers? {
    let results = dequantizes.compactMap { $0.outputs[0] }
    let outputs = results.filter(uses.isOutput)
    let others = uses.readers(of: value).filter { node in
      !(StatedGrid.isQuantize(node)
        && node.outputs[0].flatMap { standing[ObjectIdentifier($0)] }?.grid == grid)
    }
    let isInput = graph.inputs.contains { $0 === value }
    if others.isEmpty, !uses.isOutput(value), !isInput {
      let places = graph.outputs.count { output in results.contains { $0 === output } }
      return outputs.count <= 1 && places <= 1 ? .all : nil
    }
    let nodes = Set(results.flatMap(uses.readers).map(ObjectIdentifier.init))
    guard outputs.isEmpty, nodes.isDisjoint(with: inner),
      nodes.isDisjoint(with: others.map(ObjectIdentifier.init))
    else { return nil }
    return .nodes(nodes)
  }

  /// Lets a value be the graph's result that another was.
  private func takeOver(_ result: Value, by value: Value) {
    (value.name, result.name) = (result.name, value.name)
    value.type = result.type
    value.carriedDeclaration = result.carriedDeclaration
    graph.outputs = graph.outputs.map { $0 === result ? value : $0 }
    graph.declaredValues.removeAll { $0 === value || $0 === result }
  }

  /// Takes out each QuantizeLinear whose integers nothing reads any more.
  private func removeUnread() {
    let uses = GraphUses(graph)
    let quantizes = Set(standing.values.map { ObjectIdentifier($0.quantize) })
    graph.nodes.removeAll { node in
      quantizes.contains(ObjectIdentifier(node))
        && !(node.outputs[0].map(uses.isUsed) ?? false)
    }
  }
}
