/// What an image goes through to become a model's input, in converter_lite's order: colours, then
/// `(x - mean) / std`, then resizing, then the cut from the centre. Resizing therefore works on
/// normalized numbers and rounds nothing; cubic overshoot stays.
public struct ImagePreprocessing: Sendable {
  /// The channels and their order.
  public enum Colour: String, CaseIterable, Sendable {
    case rgb, bgr
    /// One channel, rounded to 8 bits: 0.299 red + 0.587 green + 0.114 blue.
    case gray

    /// How many channels there are.
    public var channelCount: Int { self == .gray ? 1 : 3 }
  }

  /// Order of the numbers in memory.
  public enum Order: Sendable {
    /// Channels of a pixel side by side: H x W x C.
    case channelsLast
    /// A plane for each channel: C x H x W.
    case channelsFirst
  }

  /// The channels.
  public let colour: Colour
  /// The size that images are brought to, their proportions not kept, and how; nil leaves theirs.
  public let resizing: (size: ImageSize, method: Interpolation)?
  /// The size that is cut from the centre; nil for none.
  public let crop: ImageSize?
  /// For each channel what the values 0 to 255 become.
  let tables: [[Float]]

  /// States the steps. `mean` and `std` are in units of 8-bit values, one number for each channel;
  /// nil stands for 0 and 1.
  ///
  /// - Throws: a std that isn't positive, numbers that aren't finite or of which there aren't as
  ///   many as channels, and sizes that cannot be or a cut larger than the size it is taken from.
  public init(
    colour: Colour, mean: [Double]? = nil, std: [Double]? = nil,
    resizing: (size: ImageSize, method: Interpolation)? = nil, crop: ImageSize? = nil
  ) throws(ImageProblem) {
    let channels = colour.channelCount
    for (name, numbers) in [("normalize_mean", mean), ("normalize_std", std)] {
      guard let numbers else { continue }
      guard numbers.count == channels else {
        throw ImageProblem(
          "\(name) has \(numbers.count) number\(numbers.count == 1 ? "" : "s"), and "
            + "\(colour.rawValue.uppercased()) has \(channels) channel\(channels == 1 ? "" : "s")")
      }
      guard numbers.allSatisfy(\.isFinite) else { throw ImageProblem("\(name) is not finite") }
    }
    if let number = std?.first(where: { $0 <= 0 }) {
      throw ImageProblem("normalize_std must be positive, not \(number)")
    }
    for size in [resizing?.size, crop].compactMap({ $0 }) {
      guard size.width > 0, size.height > 0, size.pixelCount <= ImageHeader.pixelLimit else {
        throw ImageProblem("images of \(size) pixels cannot be made")
      }
    }
    if let resized = resizing?.size, let crop { try Self.check(crop, fits: resized) }
    self.init(
      colour: colour, resizing: resizing, crop: crop,
      tables: (0..<channels).map { channel in
        (0..<256).map { Float((Double($0) - (mean?[channel] ?? 0)) / (std?[channel] ?? 1)) }
      })
  }

  /// Only the given channels, of 0 to 255, resized between neighbours if a size is given.
  ///
  /// - Precondition: the size has pixels, and at most `ImageHeader.pixelLimit`.
  public static func plain(_ colour: Colour, size: ImageSize? = nil) -> ImagePreprocessing {
    ImagePreprocessing(
      colour: colour, resizing: size.map { ($0, .linear) }, crop: nil,
      tables: Array(repeating: (0..<256).map(Float.init), count: colour.channelCount))
  }

  private init(
    colour: Colour, resizing: (size: ImageSize, method: Interpolation)?, crop: ImageSize?,
    tables: [[Float]]
  ) {
    self.colour = colour
    self.resizing = resizing
    self.crop = crop
    self.tables = tables
  }

  /// The size that comes out of an image of `size`.
  ///
  /// - Throws: an image that is smaller than the cut.
  public func outputSize(of size: ImageSize) throws(ImageProblem) -> ImageSize {
    let resized = resizing?.size ?? size
    guard let crop else { return resized }
    try Self.check(crop, fits: resized)
    return crop
  }

  private static func check(_ crop: ImageSize, fits size: ImageSize) throws(ImageProblem) {
    guard crop.width <= size.width, crop.height <= size.height else {
      throw ImageProblem("\(crop) pixels cannot be cut from \(size)")
    }
  }

  /// The numbers of an image, as many as the output size has pixels times channels.
  ///
  /// - Throws: an image that is smaller than the cut.
  /// - Complexity: O(output pixels), and O(pixels) for grey.
  public func numbers(of image: PixelImage, order: Order) throws(ImageProblem) -> [Float] {
    let resized = resizing?.size ?? image.size
    let output = try outputSize(of: image.size)
    let left = (resized.width - output.width) / 2
    let top = (resized.height - output.height) / 2
    return ResamplingPass(
      image: image, preprocessing: self, order: order,
      columns: ResamplingTaps(
        resizing?.method, from: image.size.width, to: resized.width,
        window: left..<left + output.width),
      rows: ResamplingTaps(
        resizing?.method, from: image.size.height, to: resized.height,
        window: top..<top + output.height)
    ).numbers
  }
}
