import ModelGraph
import Support

/// Dropout at inference: the data pass through, and the old versions' mask is all zeros.
enum DropoutRewrites {
  /// The mask's elements, of the data's type before, became booleans.
  static func booleanMask(_ place: NodeRewrite) throws(Failure) {
    guard let mask = usedMask(place) else { return }
    let data = try place.requiredInput(0)
    guard let type = ElementTypeFinder.elementType(of: data) else {
      throw place.unknownType(of: data)
    }
    try fill(mask, type, place)
  }

  /// `ratio` became an input; the mask of a newer Dropout is all ones.
  static func ratioInput(_ place: NodeRewrite) throws(Failure) {
    if let mask = usedMask(place) { try fill(mask, .bool, place) }
    guard let ratio = try place.float("ratio") else { return }
    place.node.setAttribute("ratio", nil)
    let data = TensorData(float32: [ratio], isScalar: true)
    place.setInput(1, place.constant(data, role: "ratio"))
  }

  /// The mask if anything reads it. The node no longer makes it.
  private static func usedMask(_ place: NodeRewrite) -> Value? {
    guard place.node.outputs.count > 1 else { return nil }
    let mask = place.node.outputs[1]
    place.node.outputs = [place.node.outputs[0]]
    guard let mask, !place.unit.isRead(mask) else { return mask }
    place.graph.declaredValues.removeAll { $0 === mask }
    return nil
  }

  private static func fill(
    _ mask: Value, _ type: ElementType, _ place: NodeRewrite
  ) throws(Failure) {
    guard let byteCount = type.byteCount(of: 1) else {
      throw place.refusal("its mask has \(type.name) elements")
    }
    let zero = TensorData(
      elementType: type, dimensions: [1],
      storage: .packed(Bytes([UInt8](repeating: 0, count: byteCount))))
    let shape = place.insert("Shape", [try place.requiredInput(0)], role: "shape")
    place.append("ConstantOfShape", [shape], [Attribute("value", .tensor(zero))], output: mask)
  }
}
