import CImageCodecs

/// JPEG, decoded by libjpeg-turbo with its accurate transform and smooth chroma, as OpenCV does.
enum JPEGFile {
  /// Size and orientation, from the markers before the pixels.
  static func header(_ file: ByteReader) throws(ImageProblem) -> ImageHeader {
    var orientation = ImageOrientation.upright
    var place = 2
    while let marker = nextMarker(file, &place) {
      if [0xd8, 0x01].contains(marker) || (0xd0...0xd7).contains(marker) { continue }
      guard marker != 0xd9, marker != 0xda,
        let length = file.number(place, bytes: 2, bigEndian: true), length >= 2
      else { break }
      let body = place + 2..<place + length
      if isFrame(marker) {
        guard let height = file.number(place + 3, bytes: 2, bigEndian: true),
          let width = file.number(place + 5, bytes: 2, bigEndian: true),
          let channels = file.byte(place + 7)
        else { break }
        return ImageHeader(
          .jpeg, ImageSize(width: width, height: height), orientation: orientation,
          channelCount: Int(channels))
      }
      if marker == 0xe1, file.matches(Array("Exif\0\0".utf8), at: body.lowerBound) {
        orientation = ImageOrientation(
          exif: file[body.lowerBound + 6..<max(body.upperBound, body.lowerBound + 6)])
      }
      place = body.upperBound
    }
    throw ImageProblem("it is a JPEG file that ends, or begins its pixels, before it says its size")
  }

  /// The next marker's code; `place` moves behind it.
  private static func nextMarker(_ file: ByteReader, _ place: inout Int) -> UInt8? {
    while let byte = file.byte(place) {
      place += 1
      guard byte == 0xff else { continue }
      while file.byte(place) == 0xff { place += 1 }
      guard let code = file.byte(place) else { return nil }
      place += 1
      if code != 0 { return code }
    }
    return nil
  }

  private static func isFrame(_ marker: UInt8) -> Bool {
    (0xc0...0xcf).contains(marker) && ![0xc4, 0xc8, 0xcc].contains(marker)
  }

  static func pixels(_ file: ByteReader, _ header: ImageHeader) throws(ImageProblem) -> [UInt8] {
    guard let decoder = tjInitDecompress() else { throw ImageProblem("no memory to decode it") }
    defer { tjDestroy(decoder) }
    try check(decoder, file, header)
    let hasInk = header.channelCount == 4
    let format = hasInk ? TJPF_CMYK : TJPF_RGB
    let pixels = try ImageDecoder.pixels(header.storedSize, channels: hasInk ? 4 : 3) {
      target throws(ImageProblem) in
      let status = tjDecompress2(
        decoder, file.raw.bindMemory(to: UInt8.self).baseAddress, UInt(file.count),
        target.baseAddress, Int32(header.storedSize.width), 0, Int32(header.storedSize.height),
        Int32(format.rawValue), TJFLAG_ACCURATEDCT | TJFLAG_LIMITSCANS)
      if status != 0, let reason = reason(decoder) {
        throw ImageProblem("it is a damaged JPEG file: \(reason)")
      }
    }
    return hasInk ? withoutInk(pixels) : pixels
  }

  /// The library has to see the same size; what else it makes of the header shows when it decodes.
  private static func check(
    _ decoder: tjhandle, _ file: ByteReader, _ header: ImageHeader
  ) throws(ImageProblem) {
    var (width, height, sampling, colours): (Int32, Int32, Int32, Int32) = (0, 0, 0, 0)
    let status = tjDecompressHeader3(
      decoder, file.raw.bindMemory(to: UInt8.self).baseAddress, UInt(file.count), &width, &height,
      &sampling, &colours)
    guard status != 0 || header.storedSize == ImageSize(width: Int(width), height: Int(height))
    else { throw ImageProblem("it is a damaged JPEG file: it says two sizes") }
  }

  /// Why decoding failed; nil for stray bytes between segments, which some cameras write and which
  /// no pixel depends on.
  private static func reason(_ decoder: tjhandle) -> String? {
    var text = String(cString: tjGetErrorStr2(decoder))
    if tjGetErrorCode(decoder) == TJERR_WARNING.rawValue, text.contains("extraneous bytes") {
      return nil
    }
    if let call = text.firstRange(of: "): ") { text = String(text[call.upperBound...]) }
    return text
  }

  /// Red, green and blue of cyan, magenta, yellow and black as Adobe stores them, inverted; OpenCV's
  /// formula.
  private static func withoutInk(_ ink: [UInt8]) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: ink.count / 4 * 3) { target, count in
      for pixel in 0..<ink.count / 4 {
        let black = Int(ink[4 * pixel + 3])
        for channel in 0..<3 {
          let shade = black - (((255 - Int(ink[4 * pixel + channel])) * black) >> 8)
          target[3 * pixel + channel] = UInt8(shade)
        }
      }
      count = ink.count / 4 * 3
    }
  }
}
