import ModelFormats
import ModelGraph
import Support

/// Resizing of images.
enum ResizeReadings {
  static let readings: [String: OperatorReading] = ["Resize": resize]

  private static let modes: [Int64: String] = [0: "linear", 1: "nearest", 2: "cubic"]
  private static let transforms: [Int64: String] = [
    0: "asymmetric", 1: "align_corners", 2: "half_pixel",
  ]

  private static let resize: OperatorReading = { @Sendable (reading, node) throws(Failure) in
    let method = node.int("method") ?? 0
    let position = node.int("coordinate_transform_mode") ?? 0
    guard let mode = modes[method], let transform = transforms[position],
      node.int("exclude_outside") ?? 0 == 0
    else { throw node.unreadable("its method is \(method), from positions of mode \(position)") }
    var attributes = [Attribute("mode", .string(Array(mode.utf8)))]
    switch mode {
    case "nearest":
      let rounding = transform == "align_corners" ? "round_prefer_ceil" : "floor"
      attributes.append(Attribute("nearest_mode", .string(Array(rounding.utf8))))
    case "cubic":
      guard transform != "half_pixel" else {
        throw node.unreadable("it is cubic, from the middle of elements")
      }
      attributes.append(Attribute("cubic_coeff_a", .float(node.float("cubic_coeff") ?? 0)))
    default: break
    }
    attributes.append(
      Attribute("coordinate_transformation_mode", .string(Array(transform.utf8))))
    let value = try reading.value(try node.operand(0), .channelsFirst)
    let target = try target(value, reading, node)
    try reading.emit(
      "Resize", [value, nil] + target, attributes, for: node, order: .channelsFirst)
  }

  /// Height and width times their factors: the runtime rounds half up, where ONNX rounds down.
  private static func rounded(
    _ factors: [Float], _ reading: GraphReading, _ node: MSLiteNode
  ) throws(Failure) -> [Int64] {
    let shape = reading.shape(of: try node.operand(0))
    return try factors.enumerated().map { index, factor throws(Failure) in
      guard let shape, shape.count == 4, let extent = shape[index + 1],
        let size = Int64(exactly: (Float(extent) * factor).rounded()), size > 0
      else {
        throw node.unreadable("its factors aren't whole, and its input's size isn't known")
      }
      return size
    }
  }

  /// ONNX's factors, or none and its sizes.
  private static func target(
    _ value: Value, _ reading: GraphReading, _ node: MSLiteNode
  ) throws(Failure) -> [Value?] {
    var sizes: Value?
    if let tensor = node.operandIfAny(1) {
      if let data = try reading.constant(tensor), data.elementType == .float32 {
        guard data.elementCount == 2, let factors = data.float32Values else {
          throw node.unreadable("it doesn't have two factors")
        }
        if factors.allSatisfy({ $0 == $0.rounded() }) {
          let all = TensorData(float32: [1, 1] + factors)
          return [reading.add(all, name: reading.unique(node.name + "_scales"))]
        }
        sizes = reading.integerValue(try rounded(factors, reading, node))
      } else {
        sizes = try reading.plain(tensor)
      }
      guard sizes.map({ reading.facts(of: $0).elementType == .int64 }) ?? false else {
        throw node.unreadable("its factors aren't constant")
      }
    } else if let height = node.int("new_height"), let width = node.int("new_width") {
      sizes = reading.integerValue([height, width])
    }
    guard let sizes else { throw node.unreadable("it doesn't say to what size") }
    let shape = reading.step("Shape", [value], [Attribute("end", .int(2))], of: node, "_kept")
    let all = reading.step(
      "Concat", [shape, sizes], [Attribute("axis", .int(0))], of: node, "_sizes")
    return [nil, all]
  }
}
