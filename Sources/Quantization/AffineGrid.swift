/// The affine map between real values and the integers that stand for them:
/// `real = scale * (integer - zeroPoint)`.
///
/// `scale` is finite and positive for every finite range, including empty, constant and all-zero
/// ones, so dequantizing never divides by zero and never yields a NaN.
public struct AffineGrid: Hashable, Sendable {
  /// Real distance of neighbouring integers.
  public var scale: Float
  /// The integer that stands for zero.
  public var zeroPoint: Int32
  /// The least integer.
  public let lowest: Int32
  /// The greatest integer.
  public let highest: Int32

  /// The grid of signed `bits`-bit integers, using all of them, over the range from `minimum` to
  /// `maximum` extended to hold zero, shifted so that zero is an integer.
  ///
  /// All arithmetic is float32; rounding is to nearest, halves away from zero.
  ///
  /// - Precondition: finite values with `maximum - minimum` finite; 1 to 16 bits.
  public init(minimum: Float, maximum: Float, bits: Int) {
    self.init(
      minimum: minimum, maximum: maximum, lowest: -(1 << Int32(bits - 1)),
      highest: (1 << Int32(bits - 1)) - 1)
  }

  /// The grid of the integers from `lowest` to `highest` over a range extended to hold zero,
  /// shifted so that zero is an integer.
  ///
  /// All arithmetic is float32; rounding is to nearest, halves away from zero.
  ///
  /// - Precondition: finite values with `maximum - minimum` finite; at most 16 bits.
  public init(minimum: Float, maximum: Float, lowest: Int32, highest: Int32) {
    self.lowest = lowest
    self.highest = highest
    let steps = Float(highest - lowest)
    let low = min(minimum, 0)
    let high = max(max(maximum, minimum + 1e-10), 0)
    let step = (high - low) / steps
    let below = (-low / step).rounded(.toNearestOrAwayFromZero)
    let nudgedLow = -below * step
    let nudgedHigh = (steps - below) * step
    scale = (nudgedHigh - nudgedLow) / steps
    zeroPoint = Int32((Float(lowest) - nudgedLow / scale).rounded(.toNearestOrAwayFromZero))
  }

  /// The finest grid of the integers from `lowest` to `highest` that holds zero and reaches both
  /// ends of a range, so that a function constant beyond them keeps its value.
  ///
  /// - Precondition: finite values with `maximum - minimum` finite; at most 16 bits.
  public init(covering minimum: Float, _ maximum: Float, lowest: Int32, highest: Int32) {
    self.lowest = lowest
    self.highest = highest
    let steps = Float(highest - lowest)
    let low = max(0, -minimum)
    let high = max(0, maximum)
    let step = max((low + high) / steps, 1e-10 / steps)
    let least: Float = low > 0 ? 1 : 0
    let most = high > 0 ? steps - 1 : steps
    let down = min(max((low / step).rounded(.down), least), most)
    let up = min(down + 1, most)
    func reaching(_ below: Float) -> Float {
      max(
        below > 0 ? low / below : 0, below < steps ? high / (steps - below) : 0, 1e-10 / steps)
    }
    let below = reaching(up) < reaching(down) ? up : down
    scale = reaching(below)
    zeroPoint = lowest + Int32(below)
  }

  /// The grid of signed `bits`-bit integers without the least one, symmetric around zero, that
  /// reaches `magnitude`.
  ///
  /// - Precondition: a finite magnitude that is not negative; 2 to 16 bits.
  public init(symmetric magnitude: Float, bits: Int) {
    highest = (1 << Int32(bits - 1)) - 1
    lowest = -highest
    scale = max(magnitude, 1e-10) / Float(highest)
    zeroPoint = 0
  }

  /// The grid of the multiples of `step` that signed `bits`-bit integers reach.
  ///
  /// - Precondition: a finite positive step; 1 to 16 bits.
  public init(step: Float, bits: Int) {
    highest = (1 << Int32(bits - 1)) - 1
    lowest = -highest - 1
    scale = step
    zeroPoint = 0
  }
}
