import CImageCodecs

/// PNG, decoded by libspng.
enum PNGFile {
  /// Bytes that the chunks besides the pixels may take, each and together.
  private static let chunkLimit = 1 << 24

  /// Size and orientation, from a walk along the chunks.
  static func header(_ file: ByteReader) throws(ImageProblem) -> ImageHeader {
    guard file.matches(Array("IHDR".utf8), at: 12),
      let width = file.number(16, bytes: 4, bigEndian: true),
      let height = file.number(20, bytes: 4, bigEndian: true)
    else { throw ImageProblem("it is a PNG file without a header") }
    var orientation = ImageOrientation.upright
    var place = 8
    while let length = file.number(place, bytes: 4, bigEndian: true) {
      if file.matches(Array("eXIf".utf8), at: place + 4) {
        orientation = ImageOrientation(exif: file[place + 8..<place + 8 + length])
        break
      }
      place += length + 12
    }
    return ImageHeader(
      .png, ImageSize(width: width, height: height), orientation: orientation)
  }

  static func pixels(_ file: ByteReader, _ header: ImageHeader) throws(ImageProblem) -> [UInt8] {
    guard let context = spng_ctx_new(0) else { throw ImageProblem("no memory to decode it") }
    defer { spng_ctx_free(context) }
    try check(spng_set_png_buffer(context, file.raw.baseAddress, file.count))
    try check(spng_set_chunk_limits(context, chunkLimit, chunkLimit))
    var size = 0
    let format = Int32(bitPattern: SPNG_FMT_RGB8.rawValue)
    try check(spng_decoded_image_size(context, format, &size))
    guard size == 3 * header.storedSize.pixelCount else {
      throw ImageProblem("it is a damaged PNG file: it says two sizes")
    }
    return try ImageDecoder.pixels(header.storedSize) { target throws(ImageProblem) in
      try check(spng_decode_image(context, target.baseAddress, size, format, 0))
    }
  }

  private static func check(_ status: Int32) throws(ImageProblem) {
    guard status != 0 else { return }
    throw ImageProblem("it is a damaged PNG file: \(String(cString: spng_strerror(status)))")
  }
}
