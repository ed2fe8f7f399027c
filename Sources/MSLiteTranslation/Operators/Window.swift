import ModelFormats
import ModelGraph
import Support

/// How a window moves over a tensor of one or two spatial axes, as the format states it: height
/// and width, and the padding's top, bottom, left and right.
struct Window {
  let spatialRank: Int
  var kernel: [Int64]
  var strides: [Int64]
  var dilations: [Int64]
  var padding: [Int64]
  /// The setting `pad_mode`, where the runtime chooses the padding, and the layout.
  var settings: [String: MSLitePrimitive.Setting] = ["format": .int(1)]

  /// Reads a node's attributes.
  ///
  /// - Throws: negative padding, and padding that no mode of the format chooses.
  init(_ node: Node, kernel extents: [Int64]) throws(Failure) {
    let rank = extents.count
    spatialRank = rank
    func two(_ values: [Int64]) -> [Int64] { rank == 1 ? [1] + values : values }
    kernel = two(extents)
    strides = two(node.ints("strides") ?? Array(repeating: 1, count: rank))
    dilations = two(node.ints("dilations") ?? Array(repeating: 1, count: rank))
    var pads = node.ints("pads") ?? Array(repeating: 0, count: 2 * rank)
    switch node.string("auto_pad") ?? "NOTSET" {
    case "NOTSET", "": break
    case "VALID": pads = Array(repeating: 0, count: 2 * rank)
    case "SAME_UPPER": settings["pad_mode"] = .int(1)
    default: throw node.refused("auto_pad is SAME_LOWER")
    }
    guard pads.count == 2 * rank, strides.count == kernel.count, dilations.count == kernel.count
    else { throw node.refused("its attributes don't have \(rank) axes") }
    guard pads.allSatisfy({ $0 >= 0 }) else { throw node.refused("its padding is negative") }
    padding =
      rank == 1 ? [0, 0, pads[0], pads[1]] : rank == 2 ? [pads[0], pads[2], pads[1], pads[3]] : []
  }

  /// The order of axes that a window works on.
  private var order: AxisOrder { AxisOrder([0] + Array(2..<spatialRank + 2) + [1]) }

  /// The input's tensor, with four axes.
  func input(_ value: Value, _ translation: Translation) throws(Failure) -> Int {
    let tensor = try translation.tensor(value, order)
    return translation.labelled(
      spatialRank == 2
        ? tensor : translation.unsqueezed(tensor, axis: 1, name: value.name + "_rows"))
  }

  /// Writes a node on tensors of four axes.
  func emit(
    _ primitive: MSLitePrimitive, _ inputs: [Int], _ translation: Translation, _ node: Node
  ) throws(Failure) {
    guard spatialRank == 1 else {
      return translation.emit(primitive, inputs, for: node, order: order)
    }
    guard case let output?? = node.outputs.first else { return }
    let wide = translation.node(
      primitive, inputs, name: translation.unique(output.name + "_rows"),
      type: translation.type(of: output), as: node.displayName)
    translation.quantize(wide, as: output)
    translation.hold(
      output, translation.squeezed(wide, axis: 1, name: output.name), order)
  }
}
