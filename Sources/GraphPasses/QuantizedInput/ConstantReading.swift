import ModelGraph
import Support

/// Makes constants with known integers of what QuantizeLinear and DequantizeLinear make of
/// constants: `int8 -> DequantizeLinear`, and `float -> QuantizeLinear (-> Clip) -> DequantizeLinear`
/// of models trained with fake quantization.
struct ConstantReading {
  private struct Source: Hashable {
    let integers: ObjectIdentifier
    let grid: [UInt32]
    let axis: Int?
  }

  private let graph: Graph
  private let uses: GraphUses
  private let options: QuantizationReading.Options
  private var made: [Source: Value] = [:]
  /// What integers were made of, here.
  private var origins: [ObjectIdentifier: TensorData] = [:]
  private var removed: Set<ObjectIdentifier> = []
  private var replaced: [ObjectIdentifier: Value] = [:]
  private(set) var count = 0
  private(set) var problems: [(node: Node, problem: StatedGrid.Problem)] = []

  /// Changes the main graph.
  ///
  /// - Returns: how many constants were read, and nodes that are left as they are.
  /// - Complexity: O(nodes + weights).
  static func apply(
    to graph: Graph, _ options: QuantizationReading.Options
  ) -> (count: Int, problems: [(node: Node, problem: StatedGrid.Problem)]) {
    var pass = ConstantReading(graph: graph, uses: GraphUses(graph), options: options)
    for node in graph.nodes { pass.visit(node) }
    graph.nodes.removeAll { pass.removed.contains(ObjectIdentifier($0)) }
    Rewiring.replace(pass.replaced, in: graph)
    return (pass.count, pass.problems)
  }

  private init(graph: Graph, uses: GraphUses, options: QuantizationReading.Options) {
    self.graph = graph
    self.uses = uses
    self.options = options
  }

  private mutating func visit(_ node: Node) {
    guard let input = node.inputs.first ?? nil, !input.isOverridable, let data = input.constant,
      node.outputs.count == 1, let output = node.outputs[0], !uses.isOutput(output)
    else { return }
    do throws(StatedGrid.Problem) {
      if StatedGrid.isQuantize(node) {
        try quantize(data, node, output)
      } else if StatedGrid.isDequantize(node) {
        try dequantize(input, data, node, output)
      } else if node.isONNX("Clip") {
        clip(input, data, node, output)
      }
    } catch {
      problems.append((node, error))
    }
  }

  private mutating func quantize(
    _ data: TensorData, _ node: Node, _ output: Value
  ) throws(StatedGrid.Problem) {
    guard data.elementType == .float32 else { return }
    let grid = try StatedGrid(node, integers: nil)
    guard grid.elementType != .int32 else { throw .elementType(.int32) }
    let axis = try grid.axis(in: data.dimensions)
    guard let integers = GridArithmetic.quantized(data, grid, axis: axis) else {
      throw .nonFiniteWeights
    }
    become(output, integers, node)
    origins[ObjectIdentifier(output)] = data
  }

  /// Bounds on the integers, of fewer bits.
  private mutating func clip(_ input: Value, _ data: TensorData, _ node: Node, _ output: Value) {
    guard let range = IntegerClip.range(of: node), range.type == data.elementType,
      let values = IntegerElements(data)?.values
    else { return }
    let bytes = values.map {
      UInt8(truncatingIfNeeded: max(range.limits.lowerBound, min(range.limits.upperBound, $0)))
    }
    let clipped = TensorData(
      elementType: data.elementType, dimensions: data.dimensions, storage: .packed(Bytes(bytes)))
    become(output, clipped, node)
    origins[ObjectIdentifier(output)] = origins[ObjectIdentifier(input)]
  }

  private mutating func dequantize(
    _ input: Value, _ data: TensorData, _ node: Node, _ output: Value
  ) throws(StatedGrid.Problem) {
    let grid = try StatedGrid(node, integers: data.elementType)
    let axis = try grid.axis(in: data.dimensions)
    let source = Source(
      integers: ObjectIdentifier(input),
      grid: grid.scales.map(\.bitPattern) + grid.zeroPoints.map { UInt32(bitPattern: $0) },
      axis: axis)
    if let known = made[source] {
      replaced[ObjectIdentifier(output)] = known
      removed.insert(ObjectIdentifier(node))
      return
    }
    guard
      let constant = GridArithmetic.constant(data, grid, axis: axis, signed: options.isSigned)
    else { throw .elementType(data.elementType) }
    made[source] = output
    count += 1
    if options.keepsParameters {
      become(output, constant.source, node)
      output.quantized = constant
    } else {
      become(output, origins[ObjectIdentifier(input)] ?? constant.source, node)
    }
  }

  private mutating func become(_ value: Value, _ data: TensorData, _ node: Node) {
    value.initializer = data
    graph.initializers.append(value)
    removed.insert(ObjectIdentifier(node))
  }
}

/// A Clip of integers between constants.
enum IntegerClip {
  /// The type and the limits; nil for other nodes.
  static func range(of node: Node) -> (type: ElementType, limits: ClosedRange<Int32>)? {
    guard node.isONNX("Clip"), node.inputs.count == 3, node.outputs.count == 1 else { return nil }
    let bounds = node.inputs[1...].map { value in
      value.flatMap { $0.isOverridable ? nil : $0.constant }
    }
    guard let low = bounds[0], let high = bounds[1], low.elementType == high.elementType,
      [.uint8, .int8].contains(low.elementType),
      let least = IntegerElements(low)?.values, let most = IntegerElements(high)?.values,
      least.count == 1, most.count == 1, least[0] <= most[0]
    else { return nil }
    return (low.elementType, least[0]...most[0])
  }
}

/// Lets readers read other values.
enum Rewiring {
  /// Replaces inputs of nodes in a graph and the graphs inside it.
  ///
  /// - Complexity: O(edges).
  static func replace(_ values: [ObjectIdentifier: Value], in graph: Graph) {
    guard !values.isEmpty else { return }
    func last(_ value: Value) -> Value {
      var value = value
      for _ in values {
        guard let next = values[ObjectIdentifier(value)] else { break }
        value = next
      }
      return value
    }
    for graph in graph.allGraphs {
      for node in graph.nodes {
        let isTouched = node.inputs.contains {
          $0.map { values[ObjectIdentifier($0)] != nil } ?? false
        }
        if isTouched { node.inputs = node.inputs.map { $0.map(last) } }
      }
    }
  }
}
