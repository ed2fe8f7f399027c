import ModelFormats
import ModelGraph
import Support

/// Convolutions: channels first, filters as [filters, channels, height, width].
enum ConvolutionReadings {
  static let readings: [String: OperatorReading] = [
    "Conv2DFusion": { @Sendable (reading, node) throws(Failure) in
      try convolution("Conv", reading, node)
    },
    "Conv2dTransposeFusion": { @Sendable (reading, node) throws(Failure) in
      try convolution("ConvTranspose", reading, node)
    },
  ]

  private static func convolution(
    _ type: String, _ reading: GraphReading, _ node: MSLiteNode
  ) throws(Failure) {
    let filters = try node.operand(1)
    guard let extents = reading.shape(of: filters), extents.count == 4, let height = extents[1],
      let width = extents[2]
    else { throw node.unreadable("the shape of its filters isn't known") }
    var attributes = try ReadWindow(
      node, kernel: [Int64(height), Int64(width)], strides: "stride", padding: "pad_list"
    ).attributes
    let group = node.int("group") ?? 1
    guard group > 0 else { throw node.unreadable("it has \(group) groups") }
    if group > 1 { attributes.append(Attribute("group", .int(group))) }
    if type == "ConvTranspose", let more = node.ints("output_paddings"), more != [0, 0] {
      guard more.count == 2, more.allSatisfy({ $0 >= 0 }) else {
        throw node.unreadable("its output padding isn't two numbers")
      }
      attributes.append(Attribute("output_padding", .ints(more)))
    }
    var inputs = [
      try reading.value(try node.operand(0), .channelsFirst),
      try reading.value(filters, .channelsFirst),
    ]
    if let bias = node.operandIfAny(2) { inputs.append(try reading.plain(bias)) }
    try reading.emit(type, inputs, attributes, for: node, order: .channelsFirst)
  }
}
