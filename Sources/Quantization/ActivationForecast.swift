import CKernels
import ModelGraph

/// What a network says of its own activations before any data is seen: inputs are taken as
/// normalized, BatchNormalization states means and variances, and convolutions, activations and
/// additions change them in known ways. The idea is from data-free quantization (arXiv 1906.04721).
struct ActivationForecast {
  private var known: [ObjectIdentifier: ChannelForecast?] = [:]

  /// Nodes between a value and what it is told from at most.
  private static let depthLimit = 2000
  /// Share of a channel's variance that is left in its average over all positions, and correlation
  /// of neighbouring positions: guesses, which only weigh means against errors.
  private static let averagedShare = 0.1
  private static let correlation = 0.7

  /// The channels of a value; nil where nothing is known.
  ///
  /// - Complexity: O(nodes and weights before the value), once.
  mutating func channels(of value: Value) -> ChannelForecast? { find(value, depth: 0) }

  private mutating func find(_ value: Value, depth: Int) -> ChannelForecast? {
    if let found = known[ObjectIdentifier(value)] { return found }
    guard depth < ActivationForecast.depthLimit else { return nil }
    let result =
      value.channelMoments.map {
        ChannelForecast(base: value, means: $0.means, variances: $0.variances)
      }
      ?? value.producer.map { $0.isStandard ? forecast($0, value, depth + 1) : nil }
      ?? ActivationForecast.input(value)
    known[ObjectIdentifier(value)] = .some(result)
    return result
  }

  /// Images are fed normalized, more or less; those of `.ms` files have their channels last, and a
  /// Transpose behind them.
  private static func input(_ value: Value, isMoved: Bool = false) -> ChannelForecast? {
    guard value.producer == nil, value.constant == nil,
      case .tensor(let type, .some(let shape)) = value.type, type.isQuantizableFloat,
      shape.count >= 3, case .fixed(let channels) = shape[isMoved ? shape.count - 1 : 1],
      (1...4).contains(channels)
    else { return nil }
    return ChannelForecast(
      base: value, means: Array(repeating: 0, count: channels),
      variances: Array(repeating: 1, count: channels))
  }

  private mutating func forecast(_ node: Node, _ output: Value, _ depth: Int) -> ChannelForecast? {
    switch node.operatorType {
    case "BatchNormalization": return normalized(node, output)
    case "Conv": return convolved(node, output, depth)
    case "Add", "Sub", "Mul", "Div": return arithmetic(node, output, depth)
    case "Concat": return concatenated(node, output, depth)
    case "Transpose":
      guard node.ints("perm") == [0, 3, 1, 2], let source = node.inputs.first ?? nil else {
        return nil
      }
      return ActivationForecast.input(source, isMoved: true)
    case "GlobalAveragePool", "ReduceMean":
      guard let source = first(node, depth) else { return nil }
      let (means, variances) = source.moments
      return ChannelForecast(
        base: output, means: means,
        variances: variances.map { $0 * ActivationForecast.averagedShare })
    case "Identity", "Dropout", "Flatten", "AveragePool", "MaxPool", "Resize", "Upsample", "Pad":
      return first(node, depth)
    default:
      guard let function = ElementwiseFunction.function(of: node) else { return nil }
      return first(node, depth)?.mapped(function)
    }
  }

  private mutating func first(_ node: Node, _ depth: Int) -> ChannelForecast? {
    (node.inputs.first ?? nil).flatMap { find($0, depth: depth) }
  }

  private func constant(_ node: Node, _ index: Int) -> TensorData? {
    guard index < node.inputs.count, let input = node.inputs[index] else { return nil }
    return input.constant
  }

  private func normalized(_ node: Node, _ output: Value) -> ChannelForecast? {
    guard let scales = constant(node, 1)?.float32Values,
      let offsets = constant(node, 2)?.float32Values, scales.count == offsets.count
    else { return nil }
    return ChannelForecast(
      base: output, means: offsets.map(Double.init), variances: scales.map { Double($0 * $0) })
  }

  private mutating func convolved(
    _ node: Node, _ output: Value, _ depth: Int
  ) -> ChannelForecast? {
    guard let source = first(node, depth), let weights = constant(node, 1),
      weights.elementType == .float32, let packed = weights.packed, weights.dimensions.count >= 3
    else { return nil }
    let rows = weights.dimensions[0]
    let perGroup = weights.dimensions[1]
    let kernel = weights.dimensions[2...].reduce(1, *)
    let groups = max(1, Int(node.int("group") ?? 1))
    guard perGroup * groups == source.count, rows % groups == 0, rows > 0 else { return nil }
    let biases = constant(node, 2)?.float32Values ?? Array(repeating: 0, count: rows)
    guard biases.count == rows else { return nil }
    var means = biases.map(Double.init)
    var variances = [Double](repeating: 0, count: rows)
    let (inputMeans, inputVariances) = source.moments
    let count = perGroup * kernel
    inputMeans.withUnsafeBufferPointer { inputMeans in
      inputVariances.withUnsafeBufferPointer { inputVariances in
        FloatReader.forEachPart(packed, .float32, rowLength: count) { first, values in
          guard let weights = values.baseAddress, let mean = inputMeans.baseAddress,
            let variance = inputVariances.baseAddress
          else { return }
          for row in first..<first + values.count / count {
            let channels = row / (rows / groups) * perGroup
            gs_forecast_sum(
              weights + (row - first) * count, perGroup, kernel, mean + channels,
              variance + channels, ActivationForecast.correlation, &means[row], &variances[row])
          }
        }
      }
    }
    return ChannelForecast(base: output, means: means, variances: variances)
  }

  private mutating func arithmetic(
    _ node: Node, _ output: Value, _ depth: Int
  ) -> ChannelForecast? {
    guard node.inputs.count == 2, let left = node.inputs[0], let right = node.inputs[1],
      let function = ElementwiseFunction.arithmetic[node.operatorType]
    else { return nil }
    if let constants = right.constant.flatMap(ActivationForecast.perChannel) {
      return find(left, depth: depth)?.combined(with: constants, function)
    }
    if let constants = left.constant.flatMap(ActivationForecast.perChannel) {
      return find(right, depth: depth)?.combined(with: constants) { function($1, $0) }
    }
    guard let a = find(left, depth: depth), let b = find(right, depth: depth), a.count == b.count
    else { return nil }
    if let together = a.combined(with: b, function) { return together }
    return ActivationForecast.independent(a, b, node.operatorType, output)
  }

  private static func independent(
    _ a: ChannelForecast, _ b: ChannelForecast, _ operatorType: String, _ output: Value
  ) -> ChannelForecast? {
    let (first, second) = (a.moments, b.moments)
    let means = zip(first.means, second.means)
    let variances = zip(first.variances, second.variances)
    switch operatorType {
    case "Add":
      return ChannelForecast(base: output, means: means.map(+), variances: variances.map(+))
    case "Sub":
      return ChannelForecast(base: output, means: means.map(-), variances: variances.map(+))
    case "Mul":
      return ChannelForecast(
        base: output, means: means.map(*),
        variances: zip(means, variances).map { mean, variance in
          (variance.0 + mean.0 * mean.0) * (variance.1 + mean.1 * mean.1)
            - mean.0 * mean.0 * mean.1 * mean.1
        })
    default: return nil
    }
  }

  private mutating func concatenated(
    _ node: Node, _ output: Value, _ depth: Int
  ) -> ChannelForecast? {
    guard node.int("axis") == 1 else { return nil }
    var means: [Double] = []
    var variances: [Double] = []
    for input in node.inputs {
      guard let input, let part = find(input, depth: depth) else { return nil }
      let moments = part.moments
      means += moments.means
      variances += moments.variances
    }
    return ChannelForecast(base: output, means: means, variances: variances)
  }

  /// A constant that is one number, or one for each index of axis 1: [C, 1, 1], [1, C, 1, 1].
  private static func perChannel(_ data: TensorData) -> [Double]? {
    let extents = data.dimensions.filter { $0 != 1 }
    guard extents.count <= 1, let values = data.float32Values else { return nil }
    let isLast = data.dimensions.last.map { $0 != 1 } ?? false
    return isLast ? nil : values.map(Double.init)
  }
}
