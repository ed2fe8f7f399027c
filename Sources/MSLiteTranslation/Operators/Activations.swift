import ModelFormats
import ModelGraph
import Support

/// Activation functions.
enum Activations {
  static let translations: [String: OperatorTranslation] =
    numbers.mapValues(translation)
    .merging([
      "LeakyRelu": { @Sendable (translation, node) throws(Failure) in
        try Elementwise.one(
          activation(5, alpha: node.float("alpha") ?? 0.01), translation, node)
      },
      "Elu": { @Sendable (translation, node) throws(Failure) in
        try Elementwise.one(activation(4, alpha: node.float("alpha") ?? 1), translation, node)
      },
      "HardSigmoid": { @Sendable (translation, node) throws(Failure) in
        try Elementwise.one(activation(13), translation, node)
      },
      "Gelu": { @Sendable (translation, node) throws(Failure) in
        let form = node.string("approximate") ?? "none"
        guard ["none", "tanh"].contains(form) else {
          throw node.refused("'\(form)' isn't an approximation of it")
        }
        try Elementwise.one(activation(19, isApproximate: form == "tanh"), translation, node)
      },
      "Clip": clip, "PRelu": slope,
    ]) { first, _ in first }

  /// The format's numbers.
  private static let numbers: [String: Int64] = [
    "Relu": 1, "Sigmoid": 2, "Softplus": 9, "Tanh": 10, "HardSwish": 12,
  ]

  private static func translation(_ number: Int64) -> OperatorTranslation {
    return { (translation: Translation, node: Node) throws(Failure) -> Void in
      try Elementwise.one(activation(number), translation, node)
    }
  }

  static func activation(
    _ number: Int64, alpha: Float? = nil, isApproximate: Bool = false
  ) -> MSLitePrimitive {
    var settings: [String: MSLitePrimitive.Setting] = ["activation_type": .int(number)]
    if let alpha { settings["alpha"] = .float(alpha) }
    if isApproximate { settings["approximate"] = .int(1) }
    return MSLitePrimitive("Activation", settings)
  }

  /// Relu6 and Relu where the bounds are theirs; else the larger and the smaller of two.
  private static let clip: OperatorTranslation = { @Sendable (translation, node) throws(Failure) in
    let value = try node.operand(0)
    let low = node.operandIfAny(1)
    let high = node.operandIfAny(2)
    func number(_ value: Value?) -> Float? {
      value.flatMap { translation.constant($0) }?.float32Values?.first
    }
    if number(low) == 0, high == nil || number(high) == 6 {
      return try Elementwise.one(activation(high == nil ? 1 : 3), translation, node)
    }
    let order = translation.order(of: value)
    var tensor = try translation.tensor(value, order)
    for (bound, name) in [(low, "Maximum"), (high, "Minimum")] {
      guard let bound else { continue }
      tensor = translation.node(
        MSLitePrimitive(name), [tensor, try translation.plain(bound)],
        name: translation.unique(node.displayName + "_" + name),
        type: translation.type(of: value))
    }
    if case let output?? = node.outputs.first { translation.hold(output, tensor, order) }
  }

  private static let slope: OperatorTranslation = { @Sendable (translation, node) throws(Failure) in
    let value = try node.operand(0)
    let slope = try node.operand(1)
    guard let data = translation.constant(slope), let rank = translation.rank(value), rank >= 2
    else { throw node.refused("the slopes or the rank of the input aren't known") }
    let order = AxisOrder([0] + Array(2..<rank) + [1])
    guard data.dimensions.filter({ $0 != 1 }).count <= 1 else {
      throw node.refused("the slopes are not one for each channel")
    }
    let flat = TensorData(
      elementType: data.elementType, dimensions: [data.elementCount], storage: data.storage)
    let slopes = translation.add(
      try Constants.tensor(flat, name: translation.unique(slope.name), order: nil))
    translation.emit(
      MSLitePrimitive("PReLUFusion", ["channel_shared": .int(data.elementCount == 1 ? 1 : 0)]),
      [try translation.tensor(value, order), slopes], for: node, order: order)
  }
}
