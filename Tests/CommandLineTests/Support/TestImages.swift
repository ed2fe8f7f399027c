/// Images made in tests.
enum TestImages {
  /// A 24-bit Windows bitmap of grey shades, from the top.
  ///
  /// - Precondition: the width is a multiple of 4, so that rows need no padding.
  static func gray(_ shades: [UInt8], width: Int) -> [UInt8] {
    func little(_ value: Int, _ count: Int) -> [UInt8] {
      (0..<count).map { UInt8(value >> (8 * $0) & 255) }
    }
    let pixels = shades.flatMap { [$0, $0, $0] }
    let header =
      Array("BM".utf8) + little(54 + pixels.count, 4) + little(0, 4) + little(54, 4)
      + little(40, 4)
    let size = little(width, 4) + little(-(shades.count / width), 4)
    return header + size + little(1, 2) + little(24, 2) + little(0, 24) + pixels
  }
}
