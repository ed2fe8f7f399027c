/// Powers of two between whole ones, the same bits on every machine.
enum PowerOfTwo {
  /// 2^(-n/64) for n >= 0: the product, from the largest factor on, of correctly rounded repeated
  /// square roots of 1/2.
  static func fraction(_ n: Int) -> Double {
    var result = Double(sign: .plus, exponent: -(n / 64), significand: 1)
    var root = 0.5
    for bit in [32, 16, 8, 4, 2, 1] {
      root = root.squareRoot()
      if n & bit != 0 { result *= root }
    }
    return result
  }
}
