import ModelGraph
import Support

/// Folds what multiplies and shifts a convolution's channels into its weights and bias: batch
/// normalizations, and Mul, Div, Add and Sub with one constant for all or for each channel.
///
/// With `y = w * x + b` followed by `a y + d`: `w' = a w`, `b' = a b + d`, computed in double
/// precision for each output channel. The convolution keeps its name and takes over the name of the
/// last folded node's result.
public struct AffineFolding {
  private let graph: Graph
  private let uses: GraphUses
  private var removed: Set<ObjectIdentifier> = []
  private var names: Set<String>

  /// Folds wherever it can in the main graph.
  ///
  /// - Parameter pool: multiplies the weights.
  /// - Returns: how many nodes were folded away.
  /// - Complexity: O(edges + folded weights).
  @discardableResult
  public static func apply(to graph: Graph, pool: WorkerPool = WorkerPool(threads: 1)) -> Int {
    var pass = AffineFolding(graph)
    let foldings = graph.nodes.compactMap(pass.folding)
    let work = foldings.map { ($0.weights, $0.map.factors, $0.channelAxis) }
    let multiplied = pool.map(costs: work.map(\.0.elementCount)) { number in
      let (weights, factors, axis) = work[number]
      defer { weights.packed?.release() }
      return weights.multiplied(by: factors, along: axis)
    }
    for (folding, weights) in zip(foldings, multiplied) { pass.store(folding, weights) }
    graph.nodes.removeAll { pass.removed.contains(ObjectIdentifier($0)) }
    UnusedRemoval.removeConstants(from: graph)
    return pass.removed.count
  }

  private init(_ graph: Graph) {
    self.graph = graph
    uses = GraphUses(graph)
    names = Set(
      graph.allGraphs.flatMap { graph in
        (graph.inputs + graph.initializers + graph.nodes.flatMap { $0.outputs.compactMap { $0 } })
          .map(\.name)
      })
  }

  /// Factor and offset of each channel; one of each may serve all channels.
  private struct ChannelMap {
    var factors: [Double]
    var offsets: [Double]
    /// What is known of the channels behind it.
    var moments: ChannelMoments?

    init?(factors: [Double], offsets: [Double], channels: Int) {
      func spread(_ values: [Double]) -> [Double]? {
        values.count == channels
          ? values : values.count == 1 ? Array(repeating: values[0], count: channels) : nil
      }
      guard let factors = spread(factors), let offsets = spread(offsets),
        (factors + offsets).allSatisfy(\.isFinite)
      else { return nil }
      self.factors = factors
      self.offsets = offsets
    }

    mutating func follow(with next: ChannelMap) {
      moments = next.moments ?? moments
      for index in factors.indices {
        if next.moments == nil {
          moments?.means[index] *= next.factors[index]
          moments?.means[index] += next.offsets[index]
          moments?.variances[index] *= next.factors[index] * next.factors[index]
        }
        factors[index] *= next.factors[index]
        offsets[index] = offsets[index] * next.factors[index] + next.offsets[index]
      }
    }
  }

  /// A convolution with what follows it and can go into it.
  private struct Folding {
    let node: Node
    let weights: TensorData
    let map: ChannelMap
    let followers: [Node]

    var channelAxis: Int { AffineFolding.channelAxis(of: node) }
  }

  private func folding(into node: Node) -> Folding? {
    guard let weights = foldableWeights(of: node),
      var map = ChannelMap(
        factors: [1], offsets: [0],
        channels: weights.dimensions[AffineFolding.channelAxis(of: node)])
    else { return nil }
    let channels = map.factors.count
    var last: [Node] = []
    while let output = node.outputs[0],
      let next = uses.onlyReader(of: last.last?.outputs[0] ?? output),
      let step = AffineFolding.map(
        of: next, reading: last.last?.outputs[0] ?? output, channels,
        spatialRank: weights.dimensions.count - 2)
    {
      map.follow(with: step)
      last.append(next)
    }
    return last.isEmpty ? nil : Folding(node: node, weights: weights, map: map, followers: last)
  }

  /// The weights, if the node is a convolution whose weights and bias are float32 constants.
  private func foldableWeights(of node: Node) -> TensorData? {
    guard node.isONNX("Conv") || node.isONNX("ConvTranspose") && (node.int("group") ?? 1) == 1,
      node.inputs.count >= 2, node.outputs.count == 1, let value = node.inputs[1],
      !value.isOverridable, value.quantized == nil, let weights = value.constant,
      weights.elementType == .float32, weights.dimensions.count >= 3
    else { return nil }
    if node.inputs.count > 2, let bias = node.inputs[2] {
      guard !bias.isOverridable, bias.quantized == nil, bias.constant?.elementType == .float32
      else { return nil }
    }
    return weights
  }

  /// The axis of the weights that the results' channels go along.
  private static func channelAxis(of node: Node) -> Int { node.isONNX("Conv") ? 0 : 1 }

  /// What a node does to each channel of `input`; nil if it does anything else.
  private static func map(
    of node: Node, reading input: Value, _ channels: Int, spatialRank: Int
  ) -> ChannelMap? {
    guard node.isStandard, node.outputs.compactMap({ $0 }).count == 1 else { return nil }
    if node.operatorType == "BatchNormalization" { return normalization(node, channels) }
    guard ["Mul", "Div", "Add", "Sub"].contains(node.operatorType), node.inputs.count == 2,
      let left = node.inputs[0], let right = node.inputs[1]
    else { return nil }
    let isLeft = left === input
    guard let constant = perChannel(isLeft ? right : left, channels, spatialRank) else {
      return nil
    }
    let one = [1.0]
    let zero = [0.0]
    switch (node.operatorType, isLeft) {
    case ("Mul", _): return ChannelMap(factors: constant, offsets: zero, channels: channels)
    case ("Add", _): return ChannelMap(factors: one, offsets: constant, channels: channels)
    case ("Div", true):
      return ChannelMap(factors: constant.map { 1 / $0 }, offsets: zero, channels: channels)
    case ("Sub", true):
      return ChannelMap(factors: one, offsets: constant.map { -$0 }, channels: channels)
    case ("Sub", false): return ChannelMap(factors: [-1], offsets: constant, channels: channels)
    default: return nil
    }
  }

  /// `scale (x - mean) / sqrt(variance + epsilon) + bias`, as ONNX's BatchNormalization says.
  private static func normalization(_ node: Node, _ channels: Int) -> ChannelMap? {
    guard node.inputs.count == 5, (node.int("training_mode") ?? 0) == 0 else { return nil }
    let constants = node.inputs[1...].compactMap { $0?.constant?.float32Values?.map(Double.init) }
    guard constants.count == 4, constants.allSatisfy({ $0.count == channels }) else { return nil }
    let epsilon = Double(node.float("epsilon") ?? 1e-5)
    let factors = (0..<channels).map {
      constants[0][$0] / (constants[3][$0] + epsilon).squareRoot()
    }
    let offsets = (0..<channels).map { constants[1][$0] - constants[2][$0] * factors[$0] }
    var map = ChannelMap(factors: factors, offsets: offsets, channels: channels)
    map?.moments = ChannelMoments(means: constants[1], variances: constants[0].map { $0 * $0 })
    return map
  }

  /// A constant's elements, if it has one for all channels or one for each channel of axis 1.
  private static func perChannel(
    _ value: Value, _ channels: Int, _ spatialRank: Int
  ) -> [Double]? {
    guard !value.isOverridable, let data = value.constant, data.elementType == .float32,
      let values = data.float32Values, !values.isEmpty
    else { return nil }
    guard data.dimensions.count <= spatialRank + 2 else { return nil }
    if values.count == 1 { return [Double(values[0])] }
    let extents = [channels] + Array(repeating: 1, count: spatialRank)
    guard data.dimensions == extents || data.dimensions == [1] + extents else { return nil }
    return values.map(Double.init)
  }

  /// Puts a folding in place, unless numbers have become too large: `multiplied` is nil then.
  private mutating func store(_ folding: Folding, _ multiplied: TensorData?) {
    guard let multiplied else { return }
    let (node, map) = (folding.node, folding.map)
    let channels = map.factors.count
    var bias = map.offsets
    if node.inputs.count > 2, let old = node.inputs[2] {
      guard let old = old.constant?.float32Values, old.count == channels else { return }
      for channel in 0..<channels { bias[channel] += Double(old[channel]) * map.factors[channel] }
    }
    let floats = bias.map { Float($0) }
    guard floats.allSatisfy(\.isFinite) else { return }
    let base = node.inputs[1]?.name ?? node.displayName
    let biasName = node.inputs.count > 2 ? node.inputs[2]?.name : nil
    node.inputs = [
      node.inputs[0],
      constant(base + "_folded", multiplied),
      constant(
        (biasName ?? base + "_bias") + "_folded",
        TensorData(float32: floats, dimensions: [channels])),
    ]
    node.outputs = folding.followers.last?.outputs.prefix(1).map { $0 } ?? node.outputs
    node.outputs[0]?.channelMoments = map.moments
    for folded in folding.followers { removed.insert(ObjectIdentifier(folded)) }
  }

  private mutating func constant(_ base: String, _ data: TensorData) -> Value {
    var name = base
    var number = 1
    while !names.insert(name).inserted {
      number += 1
      name = "\(base)_\(number)"
    }
    let value = Value(name: name)
    value.initializer = data
    graph.initializers.append(value)
    return value
  }
}
