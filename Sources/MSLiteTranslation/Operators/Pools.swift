import ModelFormats
import ModelGraph
import Support

/// Pools.
enum Pools {
  static let translations: [String: OperatorTranslation] = [
    "MaxPool": { @Sendable (translation, node) throws(Failure) in
      try pool("MaxPoolFusion", translation, node)
    },
    "AveragePool": { @Sendable (translation, node) throws(Failure) in
      try pool("AvgPoolFusion", translation, node)
    },
    "GlobalMaxPool": { @Sendable (translation, node) throws(Failure) in
      try global("MaxPoolFusion", translation, node)
    },
    "GlobalAveragePool": { @Sendable (translation, node) throws(Failure) in
      try global("AvgPoolFusion", translation, node)
    },
  ]

  private static func pool(
    _ name: String, _ translation: Translation, _ node: Node
  ) throws(Failure) {
    let window = try Window(node, kernel: node.ints("kernel_shape") ?? [])
    guard window.spatialRank == 1 || window.spatialRank == 2 else {
      throw node.refused("it has \(window.spatialRank) spatial axes")
    }
    guard window.dilations.allSatisfy({ $0 == 1 }) else { throw node.refused("it is dilated") }
    if node.outputs.count > 1, node.outputs[1] != nil {
      throw node.refused("it returns indices")
    }
    var padding = window.padding
    var input = try window.input(try node.operand(0), translation)
    let isAverage = name == "AvgPoolFusion"
    if isAverage, (node.int("count_include_pad") ?? 0) != 0, padding.contains(where: { $0 > 0 }) {
      let rows = [0, 0, padding[0], padding[1], padding[2], padding[3], 0, 0]
      input = translation.node(
        MSLitePrimitive("PadFusion"),
        [input, translation.integers(rows.map { Int32(clamping: $0) }, dimensions: [4, 2])],
        name: translation.unique(node.displayName + "_padded"), type: .float32)
      padding = [0, 0, 0, 0]
    }
    var settings = window.settings
    settings["kernel_size"] = .ints(window.kernel)
    settings["strides"] = .ints(window.strides)
    settings["pad"] = .ints(padding)
    settings["round_mode"] = .int(node.int("ceil_mode") ?? 0)
    try window.emit(MSLitePrimitive(name, settings), [input], translation, node)
  }

  private static func global(
    _ name: String, _ translation: Translation, _ node: Node
  ) throws(Failure) {
    let value = try node.operand(0)
    guard translation.rank(value) ?? translation.order(of: value)?.rank ?? 4 == 4 else {
      return try Reductions.overSpace(
        mode: name == "AvgPoolFusion" ? 0 : 1, value, translation, node)
    }
    translation.emit(
      MSLitePrimitive(
        name,
        [
          "format": .int(1), "global": .int(1), "strides": .ints([1, 1]),
          "pad": .ints([0, 0, 0, 0]),
        ]), [translation.labelled(try translation.tensor(value, .channelsLast))], for: node,
      order: .channelsLast)
  }
}
