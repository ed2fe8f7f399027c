/// The headers of a Windows bitmap: where the pixels are and what their bits mean.
struct BMPHeader: Equatable {
  /// How pixels are stored.
  enum Packing: Equatable {
    /// Indices of 1, 4 or 8 bits.
    case palette
    /// Runs of indices of 4 or 8 bits.
    case runs
    /// 5 bits for each channel.
    case bits555
    /// 5, 6 and 5 bits.
    case bits565
    /// Whole bytes: the place of red, green and blue in a pixel.
    case bytes(red: Int, green: Int, blue: Int)
  }

  let size: ImageSize
  /// Whether the first stored row is the top one.
  let isTopDown: Bool
  let bitsPerPixel: Int
  let packing: Packing
  /// Where the pixels begin.
  let start: Int
  /// Red, green and blue of each index, always 256.
  let palette: [[UInt8]]

  /// - Throws: headers that are cut or say what cannot be.
  init(_ file: ByteReader) throws(ImageProblem) {
    func word(_ place: Int) throws(ImageProblem) -> Int {
      guard let number = file.number(place, bytes: 2, bigEndian: false) else { throw Self.cut }
      return number
    }
    func double(_ place: Int) throws(ImageProblem) -> Int {
      guard let number = file.number(place, bytes: 4, bigEndian: false) else { throw Self.cut }
      return number
    }
    start = try double(10)
    let length = try double(14)
    let isOld = length == 12
    guard isOld || (40...1024).contains(length) else {
      throw ImageProblem("it is a BMP file with a header of \(length) bytes")
    }
    let width = isOld ? try word(18) : Int(Int32(truncatingIfNeeded: try double(18)))
    let height = isOld ? try word(20) : Int(Int32(truncatingIfNeeded: try double(22)))
    guard width >= 0 else { throw ImageProblem("it is a BMP file with a negative width") }
    size = ImageSize(width: width, height: abs(height))
    isTopDown = height < 0
    bitsPerPixel = try word(isOld ? 24 : 28)
    let compression = isOld ? 0 : try double(30)
    packing = try Self.packing(
      bitsPerPixel, compression,
      masks: (0..<3).map { file.number(54 + 4 * $0, bytes: 4, bigEndian: false) })
    let given = isOld ? 0 : try double(46)
    palette = Self.palette(
      file, at: 14 + length, entryBytes: isOld ? 3 : 4, bitsPerPixel: bitsPerPixel, given: given)
  }

  private static let cut = ImageProblem("it is a BMP file that ends inside its header")

  private static func packing(
    _ bits: Int, _ compression: Int, masks: [Int?]
  ) throws(ImageProblem) -> Packing {
    switch (bits, compression) {
    case (1, 0), (4, 0), (8, 0): return .palette
    case (8, 1), (4, 2): return .runs
    case (16, 0): return .bits555
    case (24, 0), (32, 0): return .bytes(red: 2, green: 1, blue: 0)
    case (16, 3) where masks == [0x7c00, 0x03e0, 0x001f]: return .bits555
    case (16, 3) where masks == [0xf800, 0x07e0, 0x001f]: return .bits565
    case (32, 3), (32, 6):
      let places = masks.compactMap { mask in (0..<4).first { 0xff << (8 * $0) == mask } }
      guard places.count == 3 else {
        throw ImageProblem("it is a BMP file whose channels are not whole bytes")
      }
      return .bytes(red: places[0], green: places[1], blue: places[2])
    default:
      throw ImageProblem(
        "it is a BMP file of \(bits) bits with compression \(compression), which isn't read")
    }
  }

  /// Entries that the file doesn't have are black.
  private static func palette(
    _ file: ByteReader, at start: Int, entryBytes: Int, bitsPerPixel: Int, given: Int
  ) -> [[UInt8]] {
    guard bitsPerPixel <= 8 else { return [] }
    let most = 1 << bitsPerPixel
    let count = given == 0 ? most : min(given, most)
    return (0..<256).map { index in
      let place = start + index * entryBytes
      guard index < count, let blue = file.byte(place), let green = file.byte(place + 1),
        let red = file.byte(place + 2)
      else { return [0, 0, 0] }
      return [red, green, blue]
    }
  }

  /// The common header.
  var header: ImageHeader { ImageHeader(.bmp, size) }
}
