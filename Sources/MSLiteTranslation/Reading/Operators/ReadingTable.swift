import ModelFormats
import ModelGraph
import Support

/// Reads one operator of the format's in ONNX's vocabulary.
typealias OperatorReading =
  @Sendable (_ reading: GraphReading, _ node: MSLiteNode) throws(Failure) -> Void

/// A setting that ONNX has under a name of its own.
struct SettingName {
  let attribute: String
  let setting: String
  let fallback: Int64

  /// - Parameter fallback: what a file means that doesn't state it.
  init(_ attribute: String, _ setting: String, default fallback: Int64) {
    (self.attribute, self.setting, self.fallback) = (attribute, setting, fallback)
  }
}

/// Reads an operator that ONNX has alike, with the inputs in the file's own order of axes.
func sameNode(
  _ type: String, inputs count: Int, _ settings: [SettingName] = [],
  stating fixed: (name: String, text: String)? = nil
) -> OperatorReading {
  { @Sendable (reading, node) throws(Failure) in
    guard node.inputs.count == count else {
      throw node.unreadable("it doesn't have \(count) inputs")
    }
    let inputs: [Value?] = try node.inputs.map { tensor throws(Failure) in
      try reading.plain(tensor)
    }
    var attributes = settings.map {
      Attribute($0.attribute, .int(node.int($0.setting) ?? $0.fallback))
    }
    if let fixed {
      attributes.append(Attribute(fixed.name, .string(Array(fixed.text.utf8))))
    }
    try reading.emit(type, inputs, attributes, for: node)
  }
}

/// Which operators of the format's can be read, by name.
enum ReadingTable {
  static let readings: [String: OperatorReading] = families.reduce(into: [:]) {
    $0.merge($1) { first, _ in first }
  }

  private static let families = [
    ActivationReadings.readings, ElementwiseReadings.readings, ConvolutionReadings.readings,
    PoolReadings.readings, ProductReadings.readings, NormalizationReadings.readings,
    ReductionReadings.readings, ShapeReadings.readings, SelectionReadings.readings,
    JoinReadings.readings, ResizeReadings.readings, RecurrenceReadings.readings,
    SearchReadings.readings,
  ]
}

extension AxisOrder {
  /// Channels before height and width, of a tensor that has them last.
  static let channelsFirst = AxisOrder([0, 3, 1, 2])

  /// Channels second, of a tensor of that rank, at least 2, that has them last.
  static func channelsSecond(_ rank: Int) -> AxisOrder {
    AxisOrder([0, rank - 1] + Array(1..<rank - 1))
  }

  /// The last two axes exchanged; the rank is at least 2.
  static func turned(_ rank: Int) -> AxisOrder {
    AxisOrder(Array(0..<rank - 2) + [rank - 1, rank - 2])
  }
}

extension GraphReading {
  /// An order of axes for operators that work element by element: that of the first variable that isn't
  /// in the file's own, if the others can be had in it at no cost.
  func commonOrder(_ tensors: [Int]) -> AxisOrder? {
    let variables = tensors.filter { !source.tensors[$0].isConstant && rank(of: $0) != 0 }
    guard let order = variables.lazy.compactMap({ self.order(of: $0) }).first else { return nil }
    let fits = tensors.allSatisfy { tensor in
      if source.tensors[tensor].isConstant {
        return source.tensors[tensor].dimensions.count <= order.rank
      }
      let rank = rank(of: tensor)
      return rank == order.rank || rank == 0
    }
    let isShared = variables.allSatisfy { self.order(of: $0) == order }
    return fits && (isShared || order == .channelsFirst) ? order : nil
  }

  /// An operand of an operator that works element by element, whose result is in `order`.
  func operand(_ tensor: Int, in order: AxisOrder?) throws(Failure) -> Value {
    let isOne =
      source.tensors[tensor].isConstant
      ? try constant(tensor)?.elementCount == 1 : rank(of: tensor) == 0
    return isOne ? try plain(tensor) : try value(tensor, order)
  }

  /// A value that is true or false.
  func truth(_ value: Value, of node: MSLiteNode) -> Value {
    facts(of: value).elementType == .bool
      ? value : cast(value, to: .bool, name: unique(node.name + "_truth"))
  }

  /// Places of a tensor's axes in the value that holds it.
  func places(
    _ axes: [Int64], rank: Int, order: AxisOrder, of node: MSLiteNode
  ) throws(Failure) -> [Int] {
    try axes.map { axis throws(Failure) in
      guard let at = ShapeRules.axis(axis, rank: rank) else {
        throw node.unreadable("its axis \(axis) is out of range")
      }
      return order.place(of: at)
    }
  }
}
