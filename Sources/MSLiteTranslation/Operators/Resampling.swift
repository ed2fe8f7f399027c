import ModelFormats
import ModelGraph
import Support

/// Resizing of images.
enum Resampling {
  static let translations: [String: OperatorTranslation] = ["Resize": resize]

  private static let methods: [String: Int64] = ["linear": 0, "nearest": 1, "cubic": 2]
  private static let positions: [String: Int64] = [
    "asymmetric": 0, "align_corners": 1, "half_pixel": 2, "pytorch_half_pixel": 2,
  ]
  private static let resize: OperatorTranslation = {
    @Sendable (translation, node) throws(Failure) in
    let mode = node.string("mode") ?? "nearest"
    let transform = node.string("coordinate_transformation_mode") ?? "half_pixel"
    guard let method = methods[mode], let position = positions[transform] else {
      throw node.refused("mode \(mode) with \(transform)")
    }
    if node.ints("axes") != nil { throw node.refused("it states axes") }
    try check(mode, transform, translation, node)
    if (node.int("antialias") ?? 0) != 0 { throw node.refused("it filters before it shrinks") }
    let value = try node.operand(0)
    guard translation.rank(value) ?? translation.order(of: value)?.rank ?? 4 == 4 else {
      throw node.refused("its input doesn't have four axes")
    }
    var settings: [String: MSLitePrimitive.Setting] = [
      "format": .int(1), "method": .int(method), "coordinate_transform_mode": .int(position),
    ]
    if mode == "nearest" {
      let isAligned = transform == "align_corners"
      settings["nearest_mode"] = .int(isAligned ? 2 : 3)
      if node.string("nearest_mode") != "floor", !isAligned {
        settings["coordinate_transform_mode"] = .int(0)
      }
    }
    if mode == "cubic" { settings["cubic_coeff"] = .float(node.float("cubic_coeff_a") ?? -0.75) }
    translation.emit(
      MSLitePrimitive("Resize", settings),
      [
        translation.labelled(try translation.tensor(value, .channelsLast)),
        try target(translation, node),
      ], for: node,
      order: .channelsLast)
  }

  /// The runtime rounds down, with align_corners half up, whatever is asked for. Rounding from the
  /// middle of elements comes to the same as rounding down where the factors are whole numbers.
  private static func check(
    _ mode: String, _ transform: String, _ translation: Translation, _ node: Node
  ) throws(Failure) {
    switch mode {
    case "nearest":
      let rounding = node.string("nearest_mode") ?? "round_prefer_floor"
      let isAligned = transform == "align_corners"
      let scales = node.operandIfAny(2).flatMap(translation.constant)?.float32Values ?? [0.5]
      let isWhole =
        rounding.hasPrefix("round") && !isAligned && transform != "asymmetric"
        && scales.allSatisfy { $0.rounded() == $0 }
      guard rounding == (isAligned ? "round_prefer_ceil" : "floor") || isWhole else {
        throw node.refused("nearest elements with \(transform) and \(rounding)")
      }
    case "cubic":
      guard transform == "asymmetric" || transform == "align_corners" else {
        throw node.refused("mode cubic with \(transform)")
      }
    default: break
    }
  }

  /// Height and width, or their factors.
  private static func target(_ translation: Translation, _ node: Node) throws(Failure) -> Int {
    if let sizes = translation.integers(node, 3), sizes.count == 4 {
      return translation.integers(sizes[2...].map { Int32(clamping: $0) })
    }
    if let scales = node.operandIfAny(2).flatMap(translation.constant)?.float32Values,
      scales.count == 4
    {
      guard scales[0] == 1, scales[1] == 1 else { throw node.refused("it resizes channels") }
      return translation.floats(Array(scales[2...]), dimensions: [2])
    }
    guard let sizes = node.operandIfAny(3) else {
      throw node.refused("its scales are not constant")
    }
    return translation.node(
      MSLitePrimitive("Gather"),
      [
        try translation.plain(sizes), translation.integers([2, 3]), translation.integers([0]),
      ], name: translation.unique(node.displayName + "_size"), type: .int32)
  }
}
