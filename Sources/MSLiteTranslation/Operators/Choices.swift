import ModelFormats
import ModelGraph
import Support

/// Choice between two tensors.
enum Choices {
  static let translations: [String: OperatorTranslation] = ["Where": choose]

  /// The runtime wants a condition of the result's shape, and the others of that shape or scalars:
  /// what isn't so, as far as shapes are known, is broadcast first.
  private static let choose: OperatorTranslation = {
    @Sendable (translation, node) throws(Failure) in
    let values = try (0..<3).map { index throws(Failure) in try node.operand(index) }
    let shapes = values.map { translation.facts.of($0).shape }
    let whole = ShapeRules.broadcast(shapes)
    func isWhole(_ index: Int) -> Bool {
      guard let whole, !whole.contains(nil) else { return false }
      return shapes[index] == whole
    }
    func isScalar(_ index: Int) -> Bool { shapes[index]?.isEmpty ?? false }
    if isWhole(0), isWhole(1) || isScalar(1), isWhole(2) || isScalar(2) {
      let order = translation.commonOrder(values)
      let inputs = try values.map { value throws(Failure) in
        try translation.operand(value, in: order)
      }
      return translation.emit(MSLitePrimitive("Where"), inputs, for: node, order: order)
    }
    var inputs = try values.map { value throws(Failure) in try translation.plain(value) }
    let shape = try target(whole, inputs, values, translation, node)
    for index in 0..<3 where !isWhole(index) && !(index > 0 && isScalar(index)) {
      inputs[index] = translation.node(
        MSLitePrimitive("BroadcastTo"), [inputs[index], shape],
        name: translation.unique("\(node.displayName)_whole\(index)"),
        type: translation.type(of: values[index]))
    }
    translation.emit(MSLitePrimitive("Where"), inputs, for: node)
  }

  /// The result's shape: a constant, or that of a sum of all three.
  private static func target(
    _ whole: [Int?]?, _ inputs: [Int], _ values: [Value], _ translation: Translation, _ node: Node
  ) throws(Failure) -> Int {
    if let whole, !whole.contains(nil) {
      return translation.integers(whole.map { Int32(clamping: $0 ?? -1) })
    }
    let type = translation.type(of: values[1])
    guard let code = type.msliteCode, type == .float32 || type == .int32 else {
      throw node.refused("the shape of its result isn't known")
    }
    func name(_ part: String) -> String { translation.unique(node.displayName + part) }
    var sum = translation.node(
      MSLitePrimitive("Cast"), [inputs[0], translation.integers([code])], name: name("_number"),
      type: type)
    for index in 1...2 {
      sum = translation.node(
        MSLitePrimitive("AddFusion"), [sum, inputs[index]], name: name("_sum"), type: type)
    }
    return translation.node(
      MSLitePrimitive("Shape"), [sum], name: name("_shape"), type: .int32)
  }
}
