import ModelFormats
import ModelGraph
import Support

/// Convolutions: channels-last tensors, filters as [filters, height, width, channels].
///
/// Those with one spatial axis get a second one of extent 1.
enum Convolutions {
  static let translations: [String: OperatorTranslation] = [
    "Conv": { @Sendable (translation, node) throws(Failure) in
      try convolution(translation, node, isTransposed: false)
    },
    "ConvTranspose": { @Sendable (translation, node) throws(Failure) in
      try convolution(translation, node, isTransposed: true)
    },
  ]

  private static func convolution(
    _ translation: Translation, _ node: Node, isTransposed: Bool
  ) throws(Failure) {
    let value = try node.operand(0)
    let weights = try node.operand(1)
    guard let data = translation.constant(weights) else {
      throw node.refused("its filters are not constant")
    }
    let extents = data.dimensions
    let window = try Window(node, kernel: extents.dropFirst(2).map { Int64($0) })
    guard window.spatialRank == 1 || window.spatialRank == 2 else {
      throw node.refused("it has \(window.spatialRank) spatial axes")
    }
    let filters =
      window.spatialRank == 2
      ? try translation.tensor(weights, .channelsLast)
      : try flat(weights, data, translation)
    var inputs = [try window.input(value, translation), filters]
    if let bias = node.operandIfAny(2) { inputs.append(try translation.plain(bias)) }
    let group = node.int("group") ?? 1
    let (inner, overflow) = Int64(extents[1]).multipliedReportingOverflow(by: group)
    guard group > 0, !overflow else { throw node.refused("it has \(group) groups") }
    var settings = window.settings
    settings["kernel_size"] = .ints(window.kernel)
    settings["stride"] = .ints(window.strides)
    settings["dilation"] = .ints(window.dilations)
    settings["pad_list"] = .ints(window.padding)
    settings["group"] = .int(group)
    settings["in_channel"] = .int(isTransposed ? Int64(extents[0]) : inner)
    settings["out_channel"] = .int(isTransposed ? inner : Int64(extents[0]))
    if let activation = node.int(IntegerForm.activation), node.outputs.first??.activation != nil {
      settings["activation_type"] = .int(activation)
    }
    if isTransposed {
      if node.ints("output_shape") != nil { throw node.refused("it states its output's shape") }
      let more = node.ints("output_padding") ?? []
      settings["output_paddings"] = .ints(
        window.spatialRank == 1 ? [0] + (more.isEmpty ? [0] : more) : more.isEmpty ? [0, 0] : more)
      settings["pad"] = .ints(window.padding)
    }
    try window.emit(
      MSLitePrimitive(isTransposed ? "Conv2dTransposeFusion" : "Conv2DFusion", settings), inputs,
      translation, node)
  }

  /// Filters of one spatial axis, as [filters, 1, width, channels].
  private static func flat(
    _ weights: Value, _ data: TensorData, _ translation: Translation
  ) throws(Failure) -> Int {
    let order = AxisOrder([0, 2, 1])
    var tensor =
      if let quantized = weights.quantized {
        Constants.quantized(quantized, name: translation.unique(weights.name), order: order)
      } else {
        try Constants.tensor(data, name: translation.unique(weights.name), order: order)
      }
    tensor.dimensions.insert(1, at: 1)
    tensor.channelAxis = tensor.channelAxis.map { $0 > 0 ? $0 + 1 : 0 }
    return translation.add(tensor)
  }
}
