import CKernels

/// Half precision, one number at a time.
extension Float {
  /// The value of an IEEE half-precision bit pattern.
  init(half bits: UInt16) {
    self = 0
    gs_widen_half([bits], 1, &self)
  }

  /// The IEEE half-precision bit pattern, rounded to nearest, ties to even.
  var halfBits: UInt16 {
    var bits: UInt16 = 0
    gs_narrow_half([self], 1, &bits)
    return bits
  }

  /// The bfloat16 bit pattern, rounded to nearest, ties to even.
  var bfloatBits: UInt16 {
    var bits: UInt16 = 0
    gs_narrow_bfloat([self], 1, &bits)
    return bits
  }
}
