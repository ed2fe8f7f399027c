/// Width and height in pixels.
public struct ImageSize: Hashable, Sendable, CustomStringConvertible {
  /// Pixels in a row.
  public var width: Int
  /// Rows.
  public var height: Int

  /// Makes a size.
  public init(width: Int, height: Int) {
    self.width = width
    self.height = height
  }

  /// Width times height, or the largest integer where that is more.
  public var pixelCount: Int {
    let (product, overflow) = width.multipliedReportingOverflow(by: height)
    return overflow ? .max : product
  }

  /// `640 x 480`.
  public var description: String { "\(width) x \(height)" }

  /// Width and height exchanged.
  var transposed: ImageSize { ImageSize(width: height, height: width) }
}

/// An image of 8 bits per channel: red, green, blue, pixel after pixel, row after row from the top.
public struct PixelImage: Equatable, Sendable {
  /// Its extents.
  public let size: ImageSize
  /// Three bytes for each pixel.
  public let pixels: [UInt8]

  /// Makes an image.
  ///
  /// - Precondition: there are three bytes for each pixel.
  public init(size: ImageSize, pixels: [UInt8]) {
    precondition(pixels.count == 3 * size.pixelCount)
    self.size = size
    self.pixels = pixels
  }
}

/// Why an image can't be used: one sentence without the file's name.
public struct ImageProblem: Error, Hashable, Sendable {
  /// What is wrong.
  public let message: String

  init(_ message: String) { self.message = message }
}
