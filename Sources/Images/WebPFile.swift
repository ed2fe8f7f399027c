import CImageCodecs

/// WebP, decoded by libwebp.
enum WebPFile {
  /// Size and orientation.
  static func header(_ file: ByteReader) throws(ImageProblem) -> ImageHeader {
    var features = WebPBitstreamFeatures()
    let status = WebPGetFeaturesInternal(
      file.raw.bindMemory(to: UInt8.self).baseAddress, file.count, &features,
      WEBP_DECODER_ABI_VERSION)
    try check(status)
    guard features.has_animation == 0 else {
      throw ImageProblem("it is an animated WebP file: save one frame")
    }
    return ImageHeader(
      .webp, ImageSize(width: Int(features.width), height: Int(features.height)),
      orientation: orientation(file))
  }

  /// What the chunk EXIF says, if there is one.
  private static func orientation(_ file: ByteReader) -> ImageOrientation {
    var place = 12
    while let length = file.number(place + 4, bytes: 4, bigEndian: false) {
      if file.matches(Array("EXIF".utf8), at: place) {
        let start = place + 8 + (file.matches(Array("Exif\0\0".utf8), at: place + 8) ? 6 : 0)
        return ImageOrientation(exif: file[start..<max(start, place + 8 + length)])
      }
      place += 8 + length + length % 2
    }
    return .upright
  }

  static func pixels(_ file: ByteReader, _ header: ImageHeader) throws(ImageProblem) -> [UInt8] {
    try ImageDecoder.pixels(header.storedSize) { target throws(ImageProblem) in
      var settings = WebPDecoderConfig()
      guard WebPInitDecoderConfig(&settings) != 0 else {
        throw ImageProblem("this machine's libwebp is too old")
      }
      settings.output.colorspace = MODE_RGB
      settings.output.is_external_memory = 1
      settings.output.u.RGBA.rgba = target.baseAddress
      settings.output.u.RGBA.stride = Int32(3 * header.storedSize.width)
      settings.output.u.RGBA.size = target.count
      try check(
        WebPDecode(
          file.raw.bindMemory(to: UInt8.self).baseAddress, file.count, &settings))
    }
  }

  private static func check(_ status: VP8StatusCode) throws(ImageProblem) {
    let reason: String
    switch status {
    case VP8_STATUS_OK: return
    case VP8_STATUS_OUT_OF_MEMORY: reason = "no memory to decode it"
    case VP8_STATUS_NOT_ENOUGH_DATA: reason = "it ends too early"
    case VP8_STATUS_UNSUPPORTED_FEATURE: reason = "it uses a feature that libwebp lacks"
    default: reason = "its stream is not valid"
    }
    throw ImageProblem("it is a damaged WebP file: \(reason)")
  }
}
