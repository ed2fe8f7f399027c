/// How a model's operators between DequantizeLinear and QuantizeLinear are computed.
public enum QuantizedArithmetic: Sendable {
  /// Node by node, in float32, as the model says.
  case simulated
  /// In integers, as ONNX Runtime fuses such operators at its default optimization level: sums of
  /// products in 32 bits, one multiplication by a float32 scale, rounding half to even.
  ///
  /// Results differ from `simulated` where a number lies near the middle between two integers.
  case integer
  /// Convolutions and products in integers, as MindSpore Lite's kernels for processors compute them:
  /// sums in 32 bits with the bias, multiplied by a fixed-point number and rounded twice (gemmlowp's
  /// `MultiplyByQuantizedMultiplier`); numbers become integers by `x / scale + zero`, rounded once
  /// in float32 and then to the nearest, halves away from 0.
  case fixedPoint
}
