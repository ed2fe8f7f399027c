import ModelGraph
import Support

/// The scales and zero points that a QuantizeLinear or DequantizeLinear states:
/// `real = scale * (integer - zeroPoint)`.
struct StatedGrid: Equatable {
  /// The integers' type: `uint8`, `int8`, or `int32` of biases.
  let elementType: ElementType
  /// Finite and positive; one, or one for each channel.
  let scales: [Float]
  /// As many as scales.
  let zeroPoints: [Int32]
  /// The axis of the channels as it is stated, maybe counted from the end; nil with one scale.
  let axis: Int?

  /// Why what a node states can't be read.
  enum Problem: Error, Equatable {
    case scaleNotConstant
    case zeroPointNotConstant
    case scaleNotPositive
    case counts(scales: Int, zeroPoints: Int)
    case types(integers: ElementType, zeroPoint: ElementType)
    case biasZeroPoint
    case elementType(ElementType)
    case blocks
    case axis(Int, rank: Int)
    case channels(scales: Int, extent: Int)
    case channelsOfActivation
    case nonFiniteWeights
    case otherGrid
    case otherReaders

    /// The reason in words.
    var text: String {
      switch self {
      case .scaleNotConstant: "its scale is no float32 constant"
      case .zeroPointNotConstant: "its zero point is no constant"
      case .scaleNotPositive: "its scale is not a positive number"
      case .counts(let scales, let zeroPoints): "\(scales) scales and \(zeroPoints) zero points"
      case .types(let integers, let zeroPoint):
        "\(integers.name) integers and a zero point of type \(zeroPoint.name)"
      case .biasZeroPoint: "a zero point other than 0 with int32"
      case .elementType(let type): "integers of type \(type.name)"
      case .blocks: "a scale for each block"
      case .axis(let axis, let rank): "axis \(axis) of \(rank) axes"
      case .channels(let scales, let extent): "\(scales) scales for \(extent) channels"
      case .channelsOfActivation: "a scale for each channel of an activation"
      case .nonFiniteWeights: "the weights hold NaN or infinity"
      case .otherGrid: "the integers were made with another scale or zero point"
      case .otherReaders: "its input is read as floats too, where that cannot be told apart"
      }
    }
  }

  /// The operators' names, in ONNX's domain and in that of ONNX Runtime, which mean the same.
  static func isQuantize(_ node: Node) -> Bool { isOperator(node, "QuantizeLinear") }
  static func isDequantize(_ node: Node) -> Bool { isOperator(node, "DequantizeLinear") }

  private static func isOperator(_ node: Node, _ type: String) -> Bool {
    node.operatorType == type && (node.isStandard || node.domain == "com.microsoft")
      && (2...3).contains(node.inputs.count) && node.outputs.count == 1
  }

  /// What a node states.
  ///
  /// - Parameter integers: the type of the integers, where it is known beside the zero point.
  /// - Throws: what can't be read, or isn't valid.
  init(_ node: Node, integers: ElementType?) throws(Problem) {
    guard (node.int("block_size") ?? 0) == 0 else { throw .blocks }
    guard let scale = node.inputs[1], !scale.isOverridable,
      let scales = scale.constant?.float32Values
    else { throw .scaleNotConstant }
    guard !scales.isEmpty, scales.allSatisfy({ $0 > 0 && $0.isFinite }) else {
      throw .scaleNotPositive
    }
    let rank = scale.constant?.dimensions.count ?? 0
    guard rank < 2 || scales.count == 1 else { throw .blocks }
    self.scales = scales
    axis = scales.count == 1 ? nil : Int(clamping: node.int("axis") ?? 1)
    guard node.inputs.count > 2, let zeroPoint = node.inputs[2] else {
      elementType = integers ?? .uint8
      zeroPoints = Array(repeating: 0, count: scales.count)
      try check()
      return
    }
    guard !zeroPoint.isOverridable, let data = zeroPoint.constant else {
      throw .zeroPointNotConstant
    }
    if let integers, integers != data.elementType {
      throw .types(integers: integers, zeroPoint: data.elementType)
    }
    elementType = data.elementType
    zeroPoints = IntegerElements(data)?.values ?? []
    try check()
    guard zeroPoints.count == scales.count else {
      throw .counts(scales: scales.count, zeroPoints: zeroPoints.count)
    }
    if elementType == .int32, zeroPoints.contains(where: { $0 != 0 }) { throw .biasZeroPoint }
  }

  private func check() throws(Problem) {
    guard [.uint8, .int8, .int32].contains(elementType) else { throw .elementType(elementType) }
  }

  /// The axis among those of a tensor; nil with one scale.
  ///
  /// - Throws: an axis that the tensor doesn't have, and another number of channels.
  func axis(in extents: [Int]) throws(Problem) -> Int? {
    guard let axis else { return nil }
    let counted = axis < 0 ? axis + extents.count : axis
    guard extents.indices.contains(counted) else { throw .axis(axis, rank: extents.count) }
    guard extents[counted] == scales.count else {
      throw .channels(scales: scales.count, extent: extents[counted])
    }
    return counted
  }
}

/// The elements of a constant of small integers.
struct IntegerElements {
  let values: [Int32]

  /// nil for other types than `uint8`, `int8` and `int32`.
  init?(_ data: TensorData) {
    guard let bytes = data.packed else { return nil }
    switch data.elementType {
    case .uint8: values = bytes.withUnsafeBytes { $0.map(Int32.init) }
    case .int8: values = bytes.withUnsafeBytes { $0.map { Int32(Int8(bitPattern: $0)) } }
    case .int32: values = bytes.load(Int32.self).map(Int32.init(littleEndian:))
    default: return nil
    }
  }
}
