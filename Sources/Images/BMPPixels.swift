/// The pixels of a Windows bitmap.
enum BMPPixels {
  /// Three bytes for each pixel, from the top.
  ///
  /// - Throws: a file that ends before its pixels do.
  static func read(_ file: ByteReader) throws(ImageProblem) -> [UInt8] {
    let header = try BMPHeader(file)
    if header.packing == .runs { return try BMPRuns.read(file, header) }
    let width = header.size.width
    let rowBytes = (width * header.bitsPerPixel + 31) / 32 * 4
    let wanted = rowBytes * header.size.height
    guard wanted <= file.count - header.start else {
      throw ImageProblem(
        "it is a BMP file that ends too early: \(header.size) pixels take \(wanted) bytes, and "
          + "\(max(0, file.count - header.start)) are there")
    }
    return try ImageDecoder.pixels(header.size) { target throws(ImageProblem) in
      for row in 0..<header.size.height {
        let stored = header.isTopDown ? row : header.size.height - 1 - row
        let source = file[header.start + stored * rowBytes..<header.start + (stored + 1) * rowBytes]
        unpack(
          source.raw, header,
          UnsafeMutableBufferPointer(rebasing: target[3 * width * row..<3 * width * (row + 1)]))
      }
    }
  }

  private static func unpack(
    _ row: UnsafeRawBufferPointer, _ header: BMPHeader, _ target: UnsafeMutableBufferPointer<UInt8>
  ) {
    let bits = header.bitsPerPixel
    for column in 0..<header.size.width {
      let (red, green, blue): (UInt8, UInt8, UInt8)
      switch header.packing {
      case .palette, .runs:
        let shift = 8 - bits - column * bits % 8
        let colour = header.palette[Int(row[column * bits / 8]) >> shift & (1 << bits - 1)]
        (red, green, blue) = (colour[0], colour[1], colour[2])
      case .bits555:
        let value = UInt16(row[2 * column]) | UInt16(row[2 * column + 1]) << 8
        red = UInt8(value >> 7 & 0xf8)
        green = UInt8(value >> 2 & 0xf8)
        blue = UInt8(value << 3 & 0xf8)
      case .bits565:
        let value = UInt16(row[2 * column]) | UInt16(row[2 * column + 1]) << 8
        red = UInt8(value >> 8 & 0xf8)
        green = UInt8(value >> 3 & 0xfc)
        blue = UInt8(value << 3 & 0xf8)
      case .bytes(let redPlace, let greenPlace, let bluePlace):
        let start = column * bits / 8
        red = row[start + redPlace]
        green = row[start + greenPlace]
        blue = row[start + bluePlace]
      }
      target[3 * column] = red
      target[3 * column + 1] = green
      target[3 * column + 2] = blue
    }
  }
}

/// Run-length encoded bitmaps: pairs of a count and a value, and escapes that begin with 0.
private enum BMPRuns {
  static func read(_ file: ByteReader, _ header: BMPHeader) throws(ImageProblem) -> [UInt8] {
    let (width, height) = (header.size.width, header.size.height)
    let isNibbles = header.bitsPerPixel == 4
    var indices = [UInt8](repeating: 0, count: width * height)
    var (column, row, place) = (0, 0, header.start)
    func byte() throws(ImageProblem) -> Int {
      guard let byte = file.byte(place) else {
        throw ImageProblem("it is a BMP file that ends inside its runs")
      }
      place += 1
      return Int(byte)
    }
    func put(_ value: Int, _ index: Int) {
      guard row < height, column < width else { return }
      let nibble = index % 2 == 0 ? value >> 4 : value & 15
      let target = header.isTopDown ? row : height - 1 - row
      indices[target * width + column] = UInt8(isNibbles ? nibble : value)
      column += 1
    }
    runs: while row < height {
      let count = try byte()
      let value = try byte()
      switch (count, value) {
      case (0, 0): (column, row) = (0, row + 1)
      case (0, 1): break runs
      case (0, 2):
        column += try byte()
        row += try byte()
      case (0, _):
        var pair = 0
        for index in 0..<value {
          if !isNibbles || index % 2 == 0 { pair = try byte() }
          put(pair, index)
        }
        let stored = isNibbles ? (value + 1) / 2 : value
        if stored % 2 == 1 { _ = try byte() }
      default:
        for index in 0..<count { put(value, index) }
      }
    }
    return indices.flatMap { header.palette[Int($0)] }
  }
}
