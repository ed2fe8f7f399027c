import ModelGraph

/// An operator with weights and an integer kernel in the format's runtimes: int8 activations with a
/// zero point, int8 weights, an int32 bias on the grid of the products.
struct IntegerKernel {
  private let node: Node
  private let weights: QuantizedConstant
  private let parameters: EncodedParameters
  private let channels: Int

  /// nil for nodes without such a kernel, and for weights on a grid that it doesn't take.
  init?(_ node: Node) {
    guard node.inputs.count > 1, let weights = node.inputs[1]?.quantized,
      weights.storage.elementType == .int8, weights.storage.bits == 8,
      weights.storage.block == nil, let parameters = weights.knownParameters,
      let axis = IntegerKernel.channelAxis(of: node, extents: weights.source.dimensions),
      weights.storage.axis == nil || weights.storage.axis == axis,
      weights.storage.axis == nil || parameters.zeroPoints.allSatisfy({ $0 == 0 })
    else { return nil }
    self.node = node
    self.weights = weights
    self.parameters = parameters
    channels = weights.source.dimensions[axis]
  }

  private static func channelAxis(of node: Node, extents: [Int]) -> Int? {
    let rank = extents.count
    guard node.isStandard else { return nil }
    switch node.operatorType {
    case "Conv":
      let group = node.int("group") ?? 1
      let isPlain = group == 1 || rank > 1 && extents[1] == 1 && group == Int64(extents[0])
      return (3...4).contains(rank) && isPlain ? 0 : nil
    case "Gemm":
      let isUnit = (node.float("alpha") ?? 1) == 1 && (node.float("beta") ?? 1) == 1
      guard rank == 2, isUnit, (node.int("transA") ?? 0) == 0 else { return nil }
      return (node.int("transB") ?? 0) != 0 ? 0 : 1
    case "MatMul": return rank >= 2 ? rank - 1 : nil
    default: return nil
    }
  }

  /// The bias as the kernel takes it: `round(b / (input scale * weight scale))`; those integers that
  /// are on that grid already stay.
  ///
  /// - Parameter bias: a constant of floats, or one that is quantized.
  /// - Returns: nil for what is no bias of this operator.
  func bias(_ bias: Value, inputScale: Float) -> QuantizedConstant? {
    guard !bias.isOverridable, let data = bias.constant, data.dimensions.last == channels,
      let floats = data.float32Values, floats.count == channels, floats.allSatisfy(\.isFinite)
    else { return nil }
    let source = TensorData(float32: floats, dimensions: [channels])
    let scales = parameters.scales.map { $0 * inputScale }
    if let known = bias.quantized, let grid = known.knownParameters,
      known.storage.elementType == .int32, IntegerKernel.areEqual(grid.scales, scales)
    {
      return QuantizedConstant(
        number: known.number, source: source,
        storage: QuantizedStorage(
          bits: 32, elementType: .int32, axis: grid.scales.count == 1 ? nil : 0),
        integers: known.encode(0).integers, parameters: grid)
    }
    let integers = floats.indices.map { index -> Int32 in
      let scale = Double(scales[scales.count == 1 ? 0 : index])
      let integer = (Double(floats[index]) / scale).rounded(.toNearestOrAwayFromZero)
      return integer.isFinite ? Int32(max(-0x1p30, min(0x1p30, integer))) : 0
    }
    return QuantizedConstant(
      source: source,
      storage: QuantizedStorage(
        bits: 32, elementType: .int32, axis: scales.count == 1 ? nil : 0),
      integers: integers.map(\.littleEndian).withUnsafeBytes(Array.init),
      parameters: EncodedParameters(
        firstChannel: 0, scales: scales, zeroPoints: scales.map { _ in 0 }))
  }

  /// Whether two lists of scales say the same; one may say it once for all. Products of scales differ
  /// in the last bits by who multiplied.
  private static func areEqual(_ a: [Float], _ b: [Float]) -> Bool {
    guard a.count == b.count || a.count == 1 || b.count == 1 else { return false }
    return (0..<max(a.count, b.count)).allSatisfy { index in
      let (left, right) = (a[a.count == 1 ? 0 : index], b[b.count == 1 ? 0 : index])
      return abs(left - right) <= 1e-5 * right
    }
  }

  /// The activation that takes the place of a Relu or Clip before the grid of a result, as the format
  /// numbers them: none where the grid can't hold what the node changes.
  ///
  /// - Returns: nil for nodes that nothing takes the place of.
  func activation(for node: Node, before grid: ActivationQuantization) -> Int64? {
    func limit(_ place: Int, _ other: Float) -> Float? {
      guard place < node.inputs.count, let value = node.inputs[place] else { return other }
      return value.isOverridable ? nil : value.soleNumber
    }
    let limits: (low: Float?, high: Float?)
    switch (node.isStandard, node.operatorType) {
    case (true, "Relu"): limits = (0, .infinity)
    case (true, "Clip"): limits = (limit(1, -.infinity), limit(2, .infinity))
    default: return nil
    }
    guard let low = limits.low, let high = limits.high else { return nil }
    func steps(_ limit: Float) -> Float { (limit / grid.scale).rounded() + Float(grid.zeroPoint) }
    if steps(low) <= -128 && steps(high) >= 127 { return IntegerKernel.none }
    guard self.node.isONNX("Conv"), low == 0 else { return nil }
    if steps(high) >= 127 { return IntegerKernel.relu }
    return high == 6 ? IntegerKernel.relu6 : nil
  }

  private static let none: Int64 = 0
  private static let relu: Int64 = 1
  private static let relu6: Int64 = 3
}
