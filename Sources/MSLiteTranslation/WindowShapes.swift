import ModelGraph

/// Shapes of what convolutions, pools and resizing make.
enum WindowShapes {
  static func shapes(of node: Node, inputs: [ValueFacts?]) -> [ShapeRules.Shape?] {
    guard let x = inputs.first??.shape else { return [nil] }
    guard x.count >= 3 else { return [node.operatorType == "Resize" ? blank(x) : nil] }
    switch node.operatorType {
    case "GlobalAveragePool", "GlobalMaxPool":
      return [[x[0], x[1]] + x.dropFirst(2).map { _ in 1 }]
    case "Resize": return [resized(x, inputs)]
    case "ConvTranspose":
      let weight = inputs.count > 1 ? inputs[1]?.shape : nil
      var shape = blank(x)
      shape[0] = x[0]
      shape[1] =
        (weight?.count ?? 0) > 1
        ? weight?[1].map { multiplied($0, node.int("group") ?? 1) } ?? nil : nil
      return [shape]
    default:
      let weight = inputs.count > 1 ? inputs[1]?.shape : nil
      let isConvolution = node.operatorType == "Conv"
      let channels = isConvolution ? weight?.first.flatMap { $0 } : x[1]
      let kernel =
        node.ints("kernel_shape")?.map { Int(clamping: $0) }
        ?? weight?.dropFirst(2).map { $0 ?? 0 } ?? []
      let windows = x.dropFirst(2).enumerated().map { index, extent in
        window(node, index, extent, kernel)
      }
      let shape: ShapeRules.Shape = [x[0], channels] + windows
      return [shape, shape]
    }
  }

  private static func multiplied(_ extent: Int, _ factor: Int64) -> Int? {
    let (product, overflow) = extent.multipliedReportingOverflow(by: Int(clamping: factor))
    return overflow ? nil : product
  }

  private static func blank(_ x: ShapeRules.Shape) -> ShapeRules.Shape {
    Array(repeating: nil, count: x.count)
  }

  private static func resized(_ x: ShapeRules.Shape, _ inputs: [ValueFacts?]) -> ShapeRules.Shape {
    if inputs.count > 3, let sizes = inputs[3]?.contents, sizes.count == x.count {
      return sizes.map { $0.flatMap { Int(exactly: $0) } }
    }
    return blank(x)
  }

  private static func window(_ node: Node, _ index: Int, _ extent: Int?, _ kernel: [Int]) -> Int? {
    let limit = 1 << 30
    func entry(_ name: String, _ at: Int, _ otherwise: Int) -> Int {
      guard let values = node.ints(name), at < values.count else { return otherwise }
      return max(-limit, min(limit, Int(clamping: values[at])))
    }
    guard let extent, index < kernel.count, extent < 1 << 40 else { return nil }
    let spatial = kernel.count
    let stride = max(1, entry("strides", index, 1))
    switch node.string("auto_pad") ?? "NOTSET" {
    case "SAME_UPPER", "SAME_LOWER": return (extent + stride - 1) / stride
    default: break
    }
    let isPadded = node.string("auto_pad") != "VALID"
    let padding = isPadded ? entry("pads", index, 0) + entry("pads", index + spatial, 0) : 0
    guard (0...limit).contains(kernel[index]) else { return nil }
    let dilation = entry("dilations", index, 1)
    let room = extent + padding - dilation * (kernel[index] - 1) - 1
    guard room >= 0 else { return nil }
    let ceils = (node.int("ceil_mode") ?? 0) != 0
    return ceils && room % stride != 0 ? nil : room / stride + 1
  }
}
