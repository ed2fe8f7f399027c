import CKernels
import Images
import ModelGraph
import Support
import TensorFiles

/// Turns files into tensors for one input: images, NumPy's files and raw bytes, told apart by
/// their content.
struct SampleReader: Sendable {
  /// A kind of file.
  enum Kind: Sendable {
    case image, array, raw
  }

  /// The input, with what `--inputShape` says.
  let input: ModelInput
  /// Whether what is neither an image nor NumPy's is a tensor's raw bytes.
  let allowsRaw: Bool
  /// The layout of raw bytes for four-dimensional float inputs.
  let rawFormat: DataFormat
  /// What images go through.
  let preprocessing: ImagePreprocessing

  /// A file that was found to fit, before the work that takes time.
  enum Checked {
    case image(Bytes, DataFormat, dimensions: [Int])
    /// A tensor in the model's own layout, or one with its channels last for a model that wants
    /// them first.
    case tensor(TensorData, hasChannelsLast: Bool)
  }

  /// What a file is, by its first bytes.
  func kind(of bytes: Bytes) -> Kind {
    if NPYReader.recognizes(bytes) { return .array }
    return allowsRaw ? .raw : .image
  }

  /// Looks at sizes and headers only.
  func check(_ bytes: Bytes) throws(SampleProblem) -> Checked {
    switch kind(of: bytes) {
    case .image: try checkImage(bytes)
    case .array: try checkArray(bytes)
    case .raw: try RawSample(input: input, format: rawFormat).check(bytes)
    }
  }

  /// The tensor of a file in the model's own layout.
  ///
  /// - Throws: what doesn't fit or is damaged, and numbers that aren't finite.
  func tensor(_ bytes: Bytes) throws(SampleProblem) -> TensorData {
    let tensor: TensorData
    switch try check(bytes) {
    case .image(let bytes, let format, let dimensions):
      tensor = try image(bytes, format, dimensions)
    case .tensor(let data, let hasChannelsLast):
      tensor = hasChannelsLast ? Self.channelsFirst(data) : data
    }
    try FiniteCheck.check(tensor)
    return tensor
  }

  private func checkImage(_ bytes: Bytes) throws(SampleProblem) -> Checked {
    guard [.float32, .uint8].contains(input.elementType) else {
      throw SampleProblem(
        .unfit, "images feed float32 and uint8 inputs only",
        notes: ["'\(input.name)' wants \(input.typeText)"], help: "save samples as .npy")
    }
    let channels = preprocessing.colour.channelCount
    let size: ImageSize
    do throws(ImageProblem) {
      size = try preprocessing.outputSize(of: ImageHeader(of: bytes).size)
    } catch {
      throw SampleProblem(.unreadable, error.message)
    }
    let shape = input.shape ?? [nil, nil, nil, nil]
    guard let format = DataFormat(of: shape, channelCounts: [channels]) else {
      throw SampleProblem(
        .unfit, "an image has four axes, and '\(input.name)' wants \(input.typeText)",
        help: "save samples as .npy")
    }
    let dimensions = format.dimensions(height: size.height, width: size.width, channels: channels)
    guard input.fits(dimensions) else {
      throw SampleProblem(
        .unfit,
        "'\(input.name)' wants \(input.typeText), and the image becomes "
          + ModelInput.text(input.elementType, dimensions),
        help: remedy(for: shape, format))
    }
    return .image(bytes, format, dimensions: dimensions)
  }

  /// Which keys would make images fit.
  private func remedy(for shape: [Int?], _ format: DataFormat) -> String {
    let shape = format == .nhwc ? shape : DataFormat.channelsLast(shape)
    if let batch = shape[0], batch != 1 {
      return "save samples of \(batch) images as .npy"
    }
    if let channels = shape[3], channels != preprocessing.colour.channelCount {
      return channels == 1
        ? "set image_to_format=GRAY"
        : channels == 3 ? "set image_to_format=RGB" : "save samples as .npy"
    }
    guard let height = shape[1], let width = shape[2] else { return "save samples as .npy" }
    return "set resize_method=LINEAR, resize_width=\(width) and resize_height=\(height)"
  }

  private func image(
    _ bytes: Bytes, _ format: DataFormat, _ dimensions: [Int]
  ) throws(SampleProblem) -> TensorData {
    let numbers: [Float]
    do throws(ImageProblem) {
      numbers = try preprocessing.numbers(
        of: ImageDecoder.decode(bytes), order: format == .nhwc ? .channelsLast : .channelsFirst)
    } catch {
      throw SampleProblem(.unreadable, error.message)
    }
    let elements =
      input.elementType == .uint8
      ? numbers.map { UInt8(min(max($0.rounded(.toNearestOrEven), 0), 255)) }
      : numbers.withUnsafeBytes { Array($0) }
    return TensorData(
      elementType: input.elementType, dimensions: dimensions, storage: .packed(Bytes(elements)))
  }

  private func checkArray(_ bytes: Bytes) throws(SampleProblem) -> Checked {
    let data: TensorData
    do throws(NPYProblem) { data = try NPYReader.read(bytes) } catch {
      throw SampleProblem(
        .unreadable, error.message,
        help: "write it with numpy.save")
    }
    guard data.elementType == input.elementType else {
      throw SampleProblem(
        .unfit,
        "'\(input.name)' wants \(input.typeText), and the array is "
          + ModelInput.text(data.elementType, data.dimensions),
        help: "save it with .astype(numpy.\(input.elementType.name))")
    }
    if input.fits(data.dimensions) { return .tensor(data, hasChannelsLast: false) }
    if let shape = input.shape, shape.count == 4, data.dimensions.count == 4 {
      let channelsLast = ModelInput(
        name: input.name, elementType: input.elementType, shape: DataFormat.channelsLast(shape))
      if channelsLast.fits(data.dimensions) { return .tensor(data, hasChannelsLast: true) }
    }
    throw SampleProblem(
      .unfit,
      "'\(input.name)' wants \(input.typeText), and the array is "
        + ModelInput.text(data.elementType, data.dimensions),
      help: "save arrays of the wanted shape")
  }

  /// A tensor in NCHW order from one in NHWC order.
  private static func channelsFirst(_ data: TensorData) -> TensorData {
    guard let packed = data.packed, let bits = data.elementType.bitWidth, bits >= 8 else {
      return data
    }
    let (batch, height, width, channels) = (
      data.dimensions[0], data.dimensions[1], data.dimensions[2], data.dimensions[3]
    )
    let imageBytes = height * width * channels * bits / 8
    let moved = [UInt8](unsafeUninitializedCapacity: packed.count) { target, count in
      packed.withUnsafeBytes { source in
        guard let from = source.baseAddress, let to = target.baseAddress else { return }
        for image in 0..<batch {
          gs_transpose_strided(
            from + image * imageBytes, channels * bits / 8, to + image * imageBytes,
            height * width * bits / 8, height * width, channels, bits / 8)
        }
      }
      count = packed.count
    }
    return TensorData(
      elementType: data.elementType, dimensions: [batch, channels, height, width],
      storage: .packed(Bytes(moved)))
  }
}
