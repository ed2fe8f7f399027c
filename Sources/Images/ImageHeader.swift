import Support

/// A file format of images.
public enum ImageFileFormat: String, CaseIterable, Sendable {
  case jpeg = "JPEG"
  case png = "PNG"
  case bmp = "BMP"
  case webp = "WebP"

  /// The format that bytes begin like; names of files say nothing.
  public static func recognized(in bytes: Bytes) -> ImageFileFormat? {
    bytes.withUnsafeBytes { recognized(in: ByteReader($0)) }
  }

  static func recognized(in file: ByteReader) -> ImageFileFormat? {
    if file.matches([0xff, 0xd8, 0xff], at: 0) { return .jpeg }
    if file.matches([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a], at: 0) { return .png }
    if file.matches(Array("BM".utf8), at: 0) { return .bmp }
    if file.matches(Array("RIFF".utf8), at: 0), file.matches(Array("WEBP".utf8), at: 8) {
      return .webp
    }
    return nil
  }
}

/// What an image's file says before its pixels.
public struct ImageHeader: Equatable, Sendable {
  /// Images of more pixels are refused.
  public static let pixelLimit = 1 << 28

  /// The format.
  public let format: ImageFileFormat
  /// The extents of the pixels as stored.
  let storedSize: ImageSize
  /// How the stored pixels are to be turned.
  let orientation: ImageOrientation
  /// Channels in the file, where the decoder has to know.
  let channelCount: Int

  /// The extents as seen: after turning.
  public var size: ImageSize {
    orientation.isTransposed ? storedSize.transposed : storedSize
  }

  init(
    _ format: ImageFileFormat, _ storedSize: ImageSize,
    orientation: ImageOrientation = .upright, channelCount: Int = 3
  ) {
    self.format = format
    self.storedSize = storedSize
    self.orientation = orientation
    self.channelCount = channelCount
  }

  /// Reads the header of a file of any format.
  ///
  /// - Throws: bytes of no known format, damaged headers, and images without pixels or with more
  ///   than `pixelLimit`.
  /// - Complexity: O(sections of the file); pixels aren't touched.
  public init(
    of bytes: Bytes, pixelLimit: Int = Self.pixelLimit
  ) throws(ImageProblem) {
    self = try bytes.withUnsafeBytes { buffer throws(ImageProblem) in
      try Self(file: ByteReader(buffer), pixelLimit: pixelLimit)
    }
  }

  init(file: ByteReader, pixelLimit: Int) throws(ImageProblem) {
    switch ImageFileFormat.recognized(in: file) {
    case .jpeg: self = try JPEGFile.header(file)
    case .png: self = try PNGFile.header(file)
    case .bmp: self = try BMPHeader(file).header
    case .webp: self = try WebPFile.header(file)
    case nil:
      throw ImageProblem(
        file.count == 0
          ? "it is empty" : "it begins like none of JPEG, PNG, BMP and WebP")
    }
    guard storedSize.width > 0, storedSize.height > 0 else {
      throw ImageProblem("it has \(storedSize) pixels")
    }
    guard storedSize.pixelCount <= pixelLimit else {
      throw ImageProblem(
        "it has \(storedSize) = \(storedSize.pixelCount) pixels, and at most \(pixelLimit) are read"
      )
    }
  }
}
