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
    lowest = -(1 << Int32(bits - 1))
    highest = (1 << Int32(bits - 1)) - 1
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
}
