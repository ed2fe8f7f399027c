import Images
import ModelGraph
import Support

/// Raw bytes: a tensor's elements, little-endian and row-major, and nothing else.
struct RawSample {
  let input: ModelInput
  /// The layout of four-dimensional float data.
  let format: DataFormat

  /// Channels that images and their like have; the axis with so many is the channels'.
  private static let channelCounts: Set<Int> = [1, 3, 4]

  /// Whether the bytes are NHWC for a model that wants NCHW.
  var hasChannelsLast: Bool {
    guard format == .nhwc, let shape = input.shape,
      [.float32, .float16, .bfloat16, .float64].contains(input.elementType)
    else { return false }
    return DataFormat(of: shape, channelCounts: Self.channelCounts) == .nchw
  }

  /// Checks the number of bytes; nothing is read.
  func check(_ bytes: Bytes) throws(SampleProblem) -> SampleReader.Checked {
    let dimensions = try knownDimensions()
    guard let count = TensorData.elementCount(of: dimensions),
      let wanted = input.elementType.byteCount(of: count)
    else {
      throw SampleProblem(
        .shapeUnknown, "raw bytes cannot feed '\(input.name)', which is \(input.typeText)",
        help: "save samples as .npy")
    }
    guard bytes.count == wanted else { throw wrongSize(bytes, dimensions, wanted) }
    let hasChannelsLast = hasChannelsLast
    return .tensor(
      TensorData(
        elementType: input.elementType,
        dimensions: hasChannelsLast ? DataFormat.channelsLast(dimensions) : dimensions,
        storage: .packed(bytes)),
      hasChannelsLast: hasChannelsLast)
  }

  /// All extents; a batch that nobody knows is 1.
  private func knownDimensions() throws(SampleProblem) -> [Int] {
    if var shape = input.shape {
      if shape.first == .some(nil) { shape[0] = 1 }
      let known = shape.compactMap { $0 }
      if known.count == shape.count { return known }
    }
    let example = input.shape?.map { $0.map(String.init) ?? "1" }.joined(separator: ",")
    throw SampleProblem(
      .shapeUnknown,
      "raw bytes for '\(input.name)' need its shape, and the model says \(input.typeText)",
      help: "save samples as .npy, or set --inputShape=\(input.name):\(example ?? "1,3,224,224")")
  }

  private func wrongSize(_ bytes: Bytes, _ dimensions: [Int], _ wanted: Int) -> SampleProblem {
    let wish = ModelInput.text(input.elementType, dimensions)
    var notes = ["'\(input.name)' wants \(wish) = \(wanted) bytes, the file has \(bytes.count)"]
    var help = "write the elements of exactly that type and shape"
    if let format = ImageFileFormat.recognized(in: bytes) {
      notes.append("it begins like a \(format.rawValue) image")
      help = "set input_type=IMAGE for images"
    } else if let type = otherType(bytes.count, dimensions) {
      notes.append("\(bytes.count) bytes would be \(ModelInput.text(type, dimensions))")
      help = "write the elements as \(input.elementType.name)"
    } else if let shape = otherShape(bytes.count, dimensions) {
      notes.append("\(bytes.count) bytes would be \(ModelInput.text(input.elementType, shape))")
      help = "for dynamic shapes save samples as .npy, or set --inputShape"
    }
    return SampleProblem(
      .wrongSize, "a calibration file has the wrong size", notes: notes, help: help)
  }

  /// A type whose elements would fill the file.
  private func otherType(_ byteCount: Int, _ dimensions: [Int]) -> ElementType? {
    guard let count = TensorData.elementCount(of: dimensions), count > 0 else { return nil }
    let types: [ElementType] = [.float32, .uint8, .float64, .float16, .int64, .int32]
    return types.first { $0.byteCount(of: count) == byteCount }
  }

  /// A shape that would fill the file and differs in one extent, preferably the width.
  private func otherShape(_ byteCount: Int, _ dimensions: [Int]) -> [Int]? {
    guard let bits = input.elementType.bitWidth, bits >= 8, byteCount > 0 else { return nil }
    for axis in dimensions.indices.reversed() {
      var shape = dimensions
      shape[axis] = 1
      guard let rest = TensorData.elementCount(of: shape), rest > 0,
        byteCount % (rest * bits / 8) == 0
      else { continue }
      shape[axis] = byteCount / (rest * bits / 8)
      return shape
    }
    return nil
  }
}
