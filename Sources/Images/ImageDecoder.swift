import Support

/// Decodes images to 8 bits and three channels, the pixels that OpenCV's `imread` gives.
///
/// Grey is repeated, transparency dropped without blending, 16 bits lose their lower half, palettes
/// are looked up, and the EXIF orientation is applied.
public enum ImageDecoder {
  /// Decodes a file.
  ///
  /// - Throws: what isn't an image of a known format, and damage of any kind: an image is whole
  ///   or it isn't one.
  /// - Complexity: O(pixels); a size over `pixelLimit` is refused before memory is taken.
  public static func decode(
    _ bytes: Bytes, pixelLimit: Int = ImageHeader.pixelLimit
  ) throws(ImageProblem) -> PixelImage {
    try bytes.withUnsafeBytes { buffer throws(ImageProblem) in
      let file = ByteReader(buffer)
      let header = try ImageHeader(file: file, pixelLimit: pixelLimit)
      let pixels =
        switch header.format {
        case .jpeg: try JPEGFile.pixels(file, header)
        case .png: try PNGFile.pixels(file, header)
        case .bmp: try BMPPixels.read(file)
        case .webp: try WebPFile.pixels(file, header)
        }
      return header.orientation.applied(
        to: PixelImage(size: header.storedSize, pixels: pixels))
    }
  }

  /// Three bytes for each pixel, written by `fill`; an error leaves nothing.
  static func pixels(
    _ size: ImageSize, channels: Int = 3,
    _ fill: (UnsafeMutableBufferPointer<UInt8>) throws(ImageProblem) -> Void
  ) throws(ImageProblem) -> [UInt8] {
    var problem: ImageProblem?
    let pixels = [UInt8](unsafeUninitializedCapacity: channels * size.pixelCount) { target, count in
      do throws(ImageProblem) {
        try fill(target)
        count = channels * size.pixelCount
      } catch {
        problem = error
      }
    }
    if let problem { throw problem }
    return pixels
  }
}
