import ModelGraph
import Support

/// Reads fake quantization that is written out in float operators as what it means: QuantizeLinear, a
/// Clip of the integers where they have fewer bits, DequantizeLinear.
///
///     Div(x, s) (or Mul by 1 / s), Round and Clip in any order, Mul(s)
///
/// An Add of a zero point may stand among them, and a Sub of it before the Mul.
struct FakeQuantizationReading {
  /// What a chain of nodes says.
  private struct Chain {
    let nodes: [Node]
    let input: Value
    /// What the last node makes.
    let result: Value
    /// The integers' type.
    let type: ElementType
    /// One, or one for each channel along `axis`.
    let scales: [Float]
    let axis: Int?
    let zeroPoint: Int32
    let limits: ClosedRange<Int32>
  }

  private let graph: Graph
  private let uses: GraphUses
  private var names: UniqueNames

  /// Changes the main graph.
  ///
  /// - Returns: how many chains were rewritten.
  /// - Complexity: O(edges).
  static func apply(to graph: Graph) -> Int {
    var pass = FakeQuantizationReading(graph)
    let chains = pass.chains()
    guard !chains.isEmpty else { return 0 }
    var pairs: [ObjectIdentifier: [Node]] = [:]
    for chain in chains {
      guard let last = chain.nodes.last else { continue }
      pairs[ObjectIdentifier(last)] = pass.pair(chain)
    }
    let removed = Set(chains.flatMap(\.nodes).map(ObjectIdentifier.init))
    graph.nodes = graph.nodes.flatMap { node in
      pairs[ObjectIdentifier(node)]
        ?? (removed.contains(ObjectIdentifier(node)) ? [] : [node])
    }
    return chains.count
  }

  /// Whether a graph has such a chain.
  ///
  /// - Complexity: O(edges), and no more than O(nodes) without a Round.
  static func isFound(in graph: Graph) -> Bool {
    graph.nodes.contains { $0.isONNX("Round") }
      && !FakeQuantizationReading(graph).chains().isEmpty
  }

  private init(_ graph: Graph) {
    self.graph = graph
    uses = GraphUses(graph)
    names = UniqueNames(in: graph)
  }

  private func chains() -> [Chain] {
    graph.nodes.compactMap { $0.isONNX("Round") ? chain(around: $0) : nil }
  }

  // MARK: Matching

  /// The one node that reads a value and nothing else does.
  private func onlyReader(_ value: Value) -> Node? {
    let readers = uses.readers(of: value)
    guard readers.count == 1, !uses.isOutput(value) else { return nil }
    return readers[0]
  }

  private func chain(around round: Node) -> Chain? {
    guard let (first, before) = start(of: round), let (divisor, other) = operands(of: first),
      let input = other
    else { return nil }
    var nodes = before + [round]
    while let result = nodes.last?.outputs.first ?? nil, let next = onlyReader(result),
      ["Add", "Clip", "Mul", "Sub"].contains(where: next.isONNX), nodes.count < 7
    {
      nodes.append(next)
      if next.isONNX("Mul") { break }
    }
    guard let last = nodes.last, last.isONNX("Mul"), let factor = operands(of: last)?.constant,
      let steps = scales(factor, rank: input.constant?.dimensions.count),
      let grid = grid(nodes.dropFirst().dropLast())
    else { return nil }
    let divisors = divisor.float32Values ?? []
    let isInverse = first.isONNX("Mul")
    guard divisors.count == steps.scales.count, divisor.dimensions == factor.dimensions,
      zip(divisors, steps.scales).allSatisfy({
        isInverse ? abs($0 * $1 - 1) < 1e-6 : $0 == $1
      })
    else { return nil }
    let (type, shift) = FakeQuantizationReading.type(grid.limits)
    let zeroPoint = grid.zeroPoint + shift
    guard let result = last.outputs.first ?? nil,
      FakeQuantizationReading.range(type).contains(zeroPoint)
    else { return nil }
    return Chain(
      nodes: nodes, input: input, result: result, type: type, scales: steps.scales,
      axis: steps.axis, zeroPoint: zeroPoint,
      limits: (grid.limits.lowerBound + shift)...(grid.limits.upperBound + shift))
  }

  /// The Div or Mul in front of a Round, and the nodes from it on.
  private func start(of round: Node) -> (first: Node, nodes: [Node])? {
    var nodes: [Node] = []
    var value = round.inputs.first ?? nil
    while let current = value, let node = current.producer, onlyReader(current) != nil,
      nodes.count < 3
    {
      nodes.insert(node, at: 0)
      if node.isONNX("Div") || node.isONNX("Mul") { return (node, nodes) }
      guard node.isONNX("Add") || node.isONNX("Clip") else { return nil }
      value = node.isONNX("Add") ? operands(of: node)?.other : node.inputs[0]
    }
    return nil
  }

  /// The constant operand of a node with two, the second or either where the order doesn't matter,
  /// and the other one.
  private func operands(of node: Node) -> (constant: TensorData, other: Value?)? {
    guard node.inputs.count == 2 else { return nil }
    func constant(_ place: Int) -> TensorData? {
      let data = node.inputs[place].flatMap { $0.isOverridable ? nil : $0.constant }
      return data?.elementType == .float32 ? data : nil
    }
    if let second = constant(1) { return (second, node.inputs[0]) }
    guard node.isONNX("Add") || node.isONNX("Mul"), let first = constant(0) else { return nil }
    return (first, node.inputs[1])
  }

  /// Positive scales: one, or one for each index of the only axis that is longer than 1.
  private func scales(_ data: TensorData, rank: Int?) -> (scales: [Float], axis: Int?)? {
    guard let scales = data.float32Values, !scales.isEmpty,
      scales.allSatisfy({ $0 > 0 && $0.isFinite })
    else { return nil }
    if scales.count == 1 { return (scales, nil) }
    let long = data.dimensions.indices.filter { data.dimensions[$0] > 1 }
    guard long.count == 1, let rank, data.dimensions.count <= rank else { return nil }
    return (scales, long[0] + rank - data.dimensions.count)
  }

  /// The zero point and the limits of the integers between Div and Mul.
  private func grid(_ nodes: some Sequence<Node>) -> (zeroPoint: Int32, limits: ClosedRange<Int32>)?
  {
    var offset: Int32 = 0
    var zeroPoint: Int32 = 0
    var limits: ClosedRange<Int32>?
    for node in nodes {
      switch node.operatorType {
      case "Round": continue
      case "Clip":
        guard limits == nil, let found = self.limits(of: node) else { return nil }
        limits = found
        zeroPoint = offset
      default:
        guard let values = operands(of: node)?.constant.float32Values, values.count == 1,
          let number = Int32(exactly: values[0]), abs(number) <= 1 << 16
        else { return nil }
        offset += node.isONNX("Sub") ? -number : number
      }
    }
    guard offset == 0, let limits, limits.count <= 256 else { return nil }
    return (zeroPoint, limits)
  }

  private func limits(of clip: Node) -> ClosedRange<Int32>? {
    func bound(_ input: Int, _ attribute: String) -> Int32? {
      let constant =
        clip.inputs.count > input
        ? clip.inputs[input].flatMap { $0.isOverridable ? nil : $0.constant?.float32Values?.first }
        : clip.float(attribute)
      return constant.flatMap { Int32(exactly: $0) }
    }
    guard let low = bound(1, "min"), let high = bound(2, "max"), low < high,
      low >= -(1 << 16), high <= 1 << 16
    else { return nil }
    return low...high
  }

  // MARK: Writing

  /// The nodes that mean the same.
  private mutating func pair(_ chain: Chain) -> [Node] {
    let (type, limits, result) = (chain.type, chain.limits, chain.result)
    let base = result.name
    let isScalar = chain.axis == nil
    let parameters = [
      constant(base + "_scale", TensorData(float32: chain.scales, isScalar: isScalar)),
      constant(
        base + "_zero_point",
        integers([Int32](repeating: chain.zeroPoint, count: chain.scales.count), type, isScalar)),
    ]
    let attributes = chain.axis.map { [Attribute("axis", .int(Int64($0)))] } ?? []
    var value = Value(name: names.make(base + "_integers"))
    var nodes = [
      Node(
        name: value.name, operatorType: "QuantizeLinear", inputs: [chain.input] + parameters,
        outputs: [value], attributes: attributes)
    ]
    if limits != FakeQuantizationReading.range(type) {
      let bounds = [limits.lowerBound, limits.upperBound].map {
        constant(base + "_limit", integers([$0], type, true))
      }
      let clipped = Value(name: names.make(base + "_clipped"))
      nodes.append(
        Node(
          name: clipped.name, operatorType: "Clip", inputs: [value] + bounds, outputs: [clipped]))
      value = clipped
    }
    nodes.append(
      Node(
        name: chain.nodes.last?.displayName ?? base, operatorType: "DequantizeLinear",
        inputs: [value] + parameters,
        outputs: [result], attributes: attributes))
    return nodes
  }

  /// The type that holds integers within limits, and what is added to them for it.
  private static func type(_ limits: ClosedRange<Int32>) -> (ElementType, shift: Int32) {
    if limits.lowerBound >= 0, limits.upperBound <= 255 { return (.uint8, 0) }
    if limits.lowerBound >= -128, limits.upperBound <= 127 { return (.int8, 0) }
    return (.int8, -128 - limits.lowerBound)
  }

  private static func range(_ type: ElementType) -> ClosedRange<Int32> {
    type == .uint8 ? 0...255 : -128...127
  }

  private func integers(_ values: [Int32], _ type: ElementType, _ isScalar: Bool) -> TensorData {
    TensorData(
      elementType: type, dimensions: isScalar ? [] : [values.count],
      storage: .packed(Bytes(values.map { UInt8(truncatingIfNeeded: $0) })))
  }

  private mutating func constant(_ name: String, _ data: TensorData) -> Value {
    let value = Value(name: names.make(name))
    value.initializer = data
    graph.initializers.append(value)
    return value
  }
}
