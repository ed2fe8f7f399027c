import ModelGraph
import Support

/// Operators that sample images: how positions are counted was fixed by convention first and became
/// attributes later.
enum ResizeUpgrade {
  /// Upsample's scales became an input in 9.
  static func upsampleScales(
    _ node: Node, _ context: inout RewriteContext
  ) throws(Failure) -> [Node] {
    try context.check(node, ["scales"])
    guard case .floats(let scales) = node.attribute("scales") else {
      throw context.unsupported(node, "it lacks scales")
    }
    let constant = context.constant(TensorData(float32: scales), "scales", of: node)
    node.setAttribute("scales", nil)
    node.setInput(1, constant.output)
    return [constant, node]
  }

  /// Upsample became Resize in 10.
  static func rename(_ node: Node, _ context: inout RewriteContext) throws(Failure) -> [Node] {
    node.operatorType = "Resize"
    return [node]
  }

  /// Resize-10 counts positions from the corner, and takes the next sample below when it enlarges,
  /// above when it shrinks. Where it does both, shrinking comes first, in a node of its own.
  static func coordinates(_ node: Node, _ context: inout RewriteContext) throws(Failure) -> [Node] {
    guard node.inputs.count >= 2, let scales = node.inputs[1] else {
      throw context.unsupported(node, "it lacks scales")
    }
    let region = context.constant(TensorData(float32: []), "roi", of: node)
    node.inputs = [node.inputs[0], region.output, scales]
    node.setAttribute(
      "coordinate_transformation_mode", .string(Array("asymmetric".utf8)))
    guard node.string("mode") ?? "nearest" == "nearest" else { return [region, node] }
    let known = scales.constant?.float32Values
    let shrinks = known?.contains { $0 < 1 } ?? false
    let grows = known?.contains { $0 > 1 } ?? true
    setNearest(node, shrinks && !grows ? "ceil" : "floor")
    guard shrinks, grows, let known else { return [region, node] }
    let down = context.constant(
      TensorData(float32: known.map { min($0, 1) }), "scales_down", of: node)
    let up = context.constant(TensorData(float32: known.map { max($0, 1) }), "scales_up", of: node)
    let first = context.node(
      "Resize", [node.inputs[0], region.output, down.output], "smaller", of: node, node.attributes)
    setNearest(first, "ceil")
    node.inputs = [first.output, region.output, up.output]
    return [region, down, up, first, node]
  }

  private static func setNearest(_ node: Node, _ mode: String) {
    node.setAttribute("nearest_mode", .string(Array(mode.utf8)))
  }

  /// RoiAlign's convention until 16 is not the default since.
  static func roiAlign(_ node: Node, _ context: inout RewriteContext) throws(Failure) -> [Node] {
    node.setAttribute(
      "coordinate_transformation_mode", .string(Array("output_half_pixel".utf8)))
    return [node]
  }

  /// The modes were renamed in 20.
  static func gridSample(_ node: Node, _ context: inout RewriteContext) throws(Failure) -> [Node] {
    try context.check(node, ["mode"])
    let names = ["bilinear": "linear", "bicubic": "cubic"]
    if let mode = node.string("mode"), let name = names[mode] {
      node.setAttribute("mode", .string(Array(name.utf8)))
    }
    return [node]
  }
}
