import Images
import ModelGraph
import Support

/// Images as inputs without any configuration: red, green and blue (or grey, for an input of one
/// channel) from 0 to 255, resized between neighbours to the input's height and width if the model
/// says them.
public enum ImageFeed {
  /// Whether bytes begin as an image of a format that can be decoded.
  public static func recognizes(_ bytes: Bytes) -> Bool {
    ImageFileFormat.recognized(in: bytes) != nil
  }

  /// The tensor of an image for an input, float32 or uint8, in the model's own layout.
  ///
  /// - Throws: a damaged image, and an input that images don't fit.
  public static func tensor(
    _ bytes: Bytes, for input: ModelInput
  ) throws(SampleProblem) -> TensorData {
    try SampleReader(
      input: input, allowsRaw: false, rawFormat: .nhwc, preprocessing: preprocessing(for: input)
    ).tensor(bytes)
  }

  private static func preprocessing(for input: ModelInput) -> ImagePreprocessing {
    guard let shape = input.shape, shape.count == 4 else { return .plain(.rgb) }
    let isNHWC = DataFormat(of: shape, channelCounts: [1, 3]) == .nhwc
    let extents = isNHWC ? shape : DataFormat.channelsLast(shape)
    let colour: ImagePreprocessing.Colour = extents[3] == 1 ? .gray : .rgb
    guard let height = extents[1], let width = extents[2] else { return .plain(colour) }
    let size = ImageSize(width: width, height: height)
    let isPossible =
      width > 0 && height > 0 && size.pixelCount <= ImageHeader.pixelLimit
    return .plain(colour, size: isPossible ? size : nil)
  }
}
