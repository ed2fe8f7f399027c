import Support
import Testing

@testable import Images

/// Images become the pixels that OpenCV reads, or an error.
@Suite struct DecodingTests {
  @Test func pixelsAreThoseOfOpenCV() throws {
    let lines = try Golden.lines("pixels.txt")
    #expect(try lines.map { $0.words[0] } == Golden.names())
    for (words, pixels) in lines {
      let bytes = Bytes(try Golden.file(words[0]))
      let size = ImageSize(width: try #require(Int(words[1])), height: try #require(Int(words[2])))
      #expect(try ImageHeader(of: bytes).size == size, "\(words[0])")
      let image = try ImageDecoder.decode(bytes)
      #expect(image == PixelImage(size: size, pixels: pixels), "\(words[0])")
    }
  }

  /// Pixels 1 to 6 in two rows of three, seen in each orientation.
  @Test(arguments: [
    (1, [1, 2, 3, 4, 5, 6]), (2, [3, 2, 1, 6, 5, 4]), (3, [6, 5, 4, 3, 2, 1]),
    (4, [4, 5, 6, 1, 2, 3]), (5, [1, 4, 2, 5, 3, 6]), (6, [4, 1, 5, 2, 6, 3]),
    (7, [6, 3, 5, 2, 4, 1]), (8, [3, 6, 2, 5, 1, 4]),
  ])
  func imagesAreTurned(number: Int, seen: [Int]) throws {
    let stored = PixelImage(
      size: ImageSize(width: 3, height: 2), pixels: (1...6).flatMap { [$0, 10 + $0, 20 + $0] })
    let turned = try #require(ImageOrientation(rawValue: number)).applied(to: stored)
    #expect(turned.size == (number < 5 ? stored.size : ImageSize(width: 2, height: 3)))
    #expect(turned.pixels == seen.flatMap { [UInt8($0), UInt8(10 + $0), UInt8(20 + $0)] })
  }

  @Test(arguments: [
    "orientation1.jpg", "progressive.jpg", "cmyk.jpg", "rgb16.png", "palette4.png", "lossy.webp",
    "lossless.webp", "rgb.bmp", "palette4.bmp", "runs8.bmp",
  ])
  func aPartIsNoImage(name: String) throws {
    let whole = try Golden.file(name)
    for count in 0..<whole.count {
      let part = Array(whole.prefix(count))
      guard Golden.problem(part) == nil else { continue }
      let image = try ImageDecoder.decode(Bytes(part))
      #expect(
        try image == ImageDecoder.decode(Bytes(whole)),
        "\(count) of \(whole.count) bytes give other pixels")
    }
    #expect(Golden.problem(Array(whole.prefix(whole.count * 2 / 3))) != nil)
  }

  @Test(arguments: [
    ("orientation1.jpg", "damaged JPEG"), ("rgb16.png", "damaged PNG"),
    ("lossy.webp", "damaged WebP file: it ends too early"), ("rgb.bmp", "ends too early"),
    ("runs8.bmp", "ends inside its runs"),
  ])
  func whatIsWrongIsSaid(name: String, words: String) throws {
    let whole = try Golden.file(name)
    #expect(Golden.problem(whole.dropLast(whole.count / 10 + 1))?.contains(words) == true)
  }

  @Test func aTruncatedJPEGIsNotHalfGrey() throws {
    let whole = try Golden.file("orientation1.jpg")
    let end = try #require(Golden.problem(whole.dropLast(40)))
    #expect(end.contains("Premature end of JPEG file"), "\(end)")
  }

  @Test func damagedPixelsOfAPNGAreSeen() throws {
    var bytes = try Golden.file("rgb16.png")
    bytes[bytes.count / 2] ^= 1
    #expect(Golden.problem(bytes)?.contains("damaged PNG") == true)
  }

  @Test func otherBytesAreNoImage() {
    #expect(Golden.problem([]) == "it is empty")
    #expect(Golden.problem(Array("GIF89a".utf8))?.contains("none of JPEG, PNG, BMP") == true)
    #expect(Golden.problem([0xff, 0xd8, 0xff])?.contains("before it says its size") == true)
  }

  private static func bigEndian(_ value: Int, _ count: Int) -> [UInt8] {
    (0..<count).reversed().map { UInt8(value >> (8 * $0) & 255) }
  }

  private static func littleEndian(_ value: Int, _ count: Int) -> [UInt8] {
    bigEndian(value, count).reversed()
  }

  private static let hugePNG: [UInt8] =
    [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13] + Array("IHDR".utf8)
    + bigEndian(60_000, 4) + bigEndian(60_000, 4) + [8, 2, 0, 0, 0, 0, 0, 0, 0]
  private static let hugeJPEG: [UInt8] =
    [0xff, 0xd8, 0xff, 0xc0, 0, 17, 8] + bigEndian(60_000, 2) + bigEndian(60_000, 2)
    + [3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0]
  private static let hugeBMP: [UInt8] =
    Array("BM".utf8) + [UInt8](repeating: 0, count: 8) + littleEndian(54, 4)
    + littleEndian(40, 4) + littleEndian(60_000, 4) + littleEndian(60_000, 4) + [1, 0, 24, 0]
    + [UInt8](repeating: 0, count: 24)

  @Test(arguments: [hugePNG, hugeJPEG, hugeBMP])
  func sizesAreCheckedBeforeMemoryIsTaken(file: [UInt8]) {
    #expect(
      Golden.problem(file)
        == "it has 60000 x 60000 = 3600000000 pixels, and at most 268435456 are read")
  }

  @Test func theLimitCountsPixels() throws {
    let file = try Golden.file("rgb.bmp")
    #expect(Golden.problem(file, pixelLimit: 19 * 13) == nil)
    #expect(Golden.problem(file, pixelLimit: 19 * 13 - 1)?.contains("at most 246") == true)
  }

  @Test func bitmapsThatCannotBeAreRefused() throws {
    let whole = try Golden.file("rgb.bmp")
    func changed(_ place: Int, _ bytes: [UInt8]) -> String? {
      var file = whole
      file.replaceSubrange(place..<place + bytes.count, with: bytes)
      return Golden.problem(file)
    }
    #expect(changed(14, [13, 0, 0, 0])?.contains("header of 13 bytes") == true)
    #expect(changed(18, [0xff, 0xff, 0xff, 0xff])?.contains("negative width") == true)
    #expect(changed(18, [0, 0, 0, 0])?.contains("0 x 13 pixels") == true)
    #expect(changed(22, [0, 0, 0, 0x80])?.contains("at most") == true)
    #expect(changed(28, [23, 0])?.contains("23 bits") == true)
    #expect(changed(30, [4, 0, 0, 0])?.contains("compression 4") == true)
    #expect(changed(10, [0xff, 0xff, 0xff, 0xff])?.contains("0 are there") == true)
  }
}
