/// Rounding to half precision, one number at a time.
extension Float {
  /// The IEEE half-precision bit pattern, rounded to nearest, ties to even.
  var halfBits: UInt16 {
    let sign = UInt16(truncatingIfNeeded: bitPattern >> 16) & 0x8000
    let magnitude = bitPattern & 0x7fff_ffff
    if magnitude > 0x7f80_0000 { return sign | 0x7e00 }
    if magnitude >= 0x477f_f000 { return sign | 0x7c00 }
    if magnitude < 0x3880_0000 {
      // Adding 0.5 lets the processor round at the place of the smallest half.
      let rounded = Float(bitPattern: magnitude) + 0.5
      return sign | UInt16(truncatingIfNeeded: rounded.bitPattern &- 0x3f00_0000)
    }
    let rounded = magnitude &+ 0xfff &+ (magnitude >> 13 & 1)
    return sign | UInt16(truncatingIfNeeded: (rounded &- 0x3800_0000) >> 13)
  }

  /// The bfloat16 bit pattern, rounded to nearest, ties to even.
  var bfloatBits: UInt16 {
    if isNaN { return UInt16(truncatingIfNeeded: bitPattern >> 16) | 0x40 }
    return UInt16(truncatingIfNeeded: (bitPattern &+ 0x7fff &+ (bitPattern >> 16 & 1)) >> 16)
  }
}
