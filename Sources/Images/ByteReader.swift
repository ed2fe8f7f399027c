/// Reads numbers from bytes, wherever asked; nil where there are none.
struct ByteReader {
  private let bytes: UnsafeRawBufferPointer

  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  var count: Int { bytes.count }

  /// The bytes as they are, for decoders.
  var raw: UnsafeRawBufferPointer { bytes }

  func byte(_ place: Int) -> UInt8? {
    place >= 0 && place < bytes.count ? bytes[place] : nil
  }

  /// A number of up to four bytes.
  func number(_ place: Int, bytes width: Int, bigEndian: Bool) -> Int? {
    guard place >= 0, place <= bytes.count - width else { return nil }
    var result = 0
    for index in 0..<width {
      result = result << 8 | Int(bytes[bigEndian ? place + index : place + width - 1 - index])
    }
    return result
  }

  func matches(_ pattern: [UInt8], at place: Int) -> Bool {
    guard place >= 0, place <= bytes.count - pattern.count else { return false }
    return bytes[place..<place + pattern.count].elementsEqual(pattern)
  }

  /// The part of the bytes that lies inside `range`.
  subscript(range: Range<Int>) -> ByteReader {
    ByteReader(UnsafeRawBufferPointer(rebasing: bytes[range.clamped(to: 0..<bytes.count)]))
  }
}
