import ModelFormats
import ModelGraph
import Support

/// How a window moves over height and width, as ONNX states it.
struct ReadWindow {
  /// Extents, steps and padding.
  private(set) var attributes: [Attribute]

  /// Reads a node's settings.
  ///
  /// - Parameters:
  ///   - kernel: height and width of the window.
  ///   - strides: the name of the steps' setting.
  ///   - padding: that of the padding's: top, bottom, left, right.
  /// - Throws: settings that aren't two positive numbers, or negative padding.
  init(
    _ node: MSLiteNode, kernel: [Int64], strides: String, padding: String
  ) throws(Failure) {
    let steps = node.ints(strides) ?? [1, 1]
    let dilations = node.ints("dilation") ?? [1, 1]
    for values in [kernel, steps, dilations] {
      guard values.count == 2, values.allSatisfy({ $0 > 0 }) else {
        throw node.unreadable("its window isn't two positive numbers")
      }
    }
    attributes = [Attribute("kernel_shape", .ints(kernel)), Attribute("strides", .ints(steps))]
    if dilations != [1, 1] { attributes.append(Attribute("dilations", .ints(dilations))) }
    switch node.int("pad_mode") ?? 0 {
    case 0:
      let pads = node.ints(padding) ?? [0, 0, 0, 0]
      guard pads.count == 4, pads.allSatisfy({ $0 >= 0 }) else {
        throw node.unreadable("its padding isn't four numbers")
      }
      attributes.append(Attribute("pads", .ints([pads[0], pads[2], pads[1], pads[3]])))
    case 1: attributes.append(Attribute("auto_pad", .string(Array("SAME_UPPER".utf8))))
    case 2: attributes.append(Attribute("auto_pad", .string(Array("VALID".utf8))))
    case let mode: throw node.unreadable("its padding mode is \(mode)")
    }
  }
}
