/// How stored pixels become the image, as the EXIF tag 0x0112 numbers it.
enum ImageOrientation: Int, CaseIterable {
  case upright = 1
  case mirrored, turnedAround, upsideDown, transposed, turnedRight, transversed, turnedLeft

  /// The orientation in a TIFF structure, which is what EXIF data is; upright where it says nothing.
  ///
  /// - Complexity: O(entries of the first directory).
  init(exif: ByteReader) {
    self = .upright
    let bigEndian = exif.matches(Array("MM".utf8), at: 0)
    guard bigEndian || exif.matches(Array("II".utf8), at: 0),
      exif.number(2, bytes: 2, bigEndian: bigEndian) == 42,
      let directory = exif.number(4, bytes: 4, bigEndian: bigEndian),
      let count = exif.number(directory, bytes: 2, bigEndian: bigEndian)
    else { return }
    for index in 0..<count {
      let entry = directory + 2 + 12 * index
      guard let tag = exif.number(entry, bytes: 2, bigEndian: bigEndian) else { return }
      guard tag == 0x0112 else { continue }
      let value = exif.number(entry + 8, bytes: 2, bigEndian: bigEndian)
      self = value.flatMap(ImageOrientation.init(rawValue:)) ?? .upright
      return
    }
  }

  /// Whether rows become columns.
  var isTransposed: Bool { rawValue >= 5 }

  private var mirrorsColumns: Bool {
    [.mirrored, .turnedAround, .transversed, .turnedLeft].contains(self)
  }

  private var mirrorsRows: Bool {
    [.turnedAround, .upsideDown, .turnedRight, .transversed].contains(self)
  }

  /// The image that stored pixels stand for.
  func applied(to image: PixelImage) -> PixelImage {
    if self == .upright { return image }
    let (width, height) = (image.size.width, image.size.height)
    let start = (mirrorsColumns ? width - 1 : 0) + (mirrorsRows ? (height - 1) * width : 0)
    let alongStoredRow = mirrorsColumns ? -1 : 1
    let downStored = mirrorsRows ? -width : width
    let step = isTransposed ? downStored : alongStoredRow
    let rowStep = isTransposed ? alongStoredRow : downStored
    let size = isTransposed ? image.size.transposed : image.size
    let turned = [UInt8](unsafeUninitializedCapacity: image.pixels.count) { target, count in
      image.pixels.withUnsafeBufferPointer { source in
        var place = 0
        for row in 0..<size.height {
          var pixel = 3 * (start + row * rowStep)
          for _ in 0..<size.width {
            target[place] = source[pixel]
            target[place + 1] = source[pixel + 1]
            target[place + 2] = source[pixel + 2]
            place += 3
            pixel += 3 * step
          }
        }
      }
      count = image.pixels.count
    }
    return PixelImage(size: size, pixels: turned)
  }
}
