import ModelGraph
import Support

/// What QuantizeLinear and DequantizeLinear do to constants, as ONNX says.
enum GridArithmetic {
  /// The integers of floats: `saturate(round(x / scale) + zeroPoint)`, ties to even, in float32.
  ///
  /// - Returns: nil if an element isn't finite.
  /// - Complexity: O(elements).
  static func quantized(_ data: TensorData, _ grid: StatedGrid, axis: Int?) -> TensorData? {
    guard let floats = data.float32Values, floats.allSatisfy(\.isFinite) else { return nil }
    let inner = axis.map { data.dimensions[($0 + 1)...].reduce(1, *) } ?? 1
    let count = grid.scales.count
    let limits: ClosedRange<Float> = grid.elementType == .uint8 ? 0...255 : -128...127
    let bytes = [UInt8](unsafeUninitializedCapacity: floats.count) { bytes, written in
      for index in floats.indices {
        let channel = axis == nil ? 0 : index / inner % count
        let steps = (floats[index] / grid.scales[channel]).rounded(.toNearestOrEven)
        let integer = steps + Float(grid.zeroPoints[channel])
        let clamped = max(limits.lowerBound, min(limits.upperBound, integer))
        bytes[index] = UInt8(truncatingIfNeeded: Int32(clamped))
      }
      written = floats.count
    }
    return TensorData(
      elementType: grid.elementType, dimensions: data.dimensions, storage: .packed(Bytes(bytes)))
  }

  /// The constant of integers on a grid, and the floats that it stands for:
  /// `(integer - zeroPoint) * scale` in float32.
  ///
  /// - Parameters:
  ///   - signed: whether `uint8` becomes `int8`, integers and zero points 128 less.
  /// - Complexity: O(elements).
  static func constant(
    _ data: TensorData, _ grid: StatedGrid, axis: Int?, signed: Bool
  ) -> QuantizedConstant? {
    guard let integers = IntegerElements(data)?.values, var bytes = data.packed?.copied else {
      return nil
    }
    let inner = axis.map { data.dimensions[($0 + 1)...].reduce(1, *) } ?? 1
    let count = grid.scales.count
    let floats = [Float](unsafeUninitializedCapacity: integers.count) { floats, written in
      for index in integers.indices {
        let channel = axis == nil ? 0 : index / inner % count
        floats[index] =
          Float(integers[index] &- grid.zeroPoints[channel]) * grid.scales[channel]
      }
      written = integers.count
    }
    let shifts = signed && grid.elementType == .uint8
    if shifts { for index in bytes.indices { bytes[index] ^= 128 } }
    return QuantizedConstant(
      source: TensorData(float32: floats, dimensions: data.dimensions),
      storage: QuantizedStorage(
        bits: grid.elementType == .int32 ? 32 : 8,
        elementType: shifts ? .int8 : grid.elementType, axis: axis),
      integers: bytes,
      parameters: EncodedParameters(
        firstChannel: 0, scales: grid.scales,
        zeroPoints: shifts ? grid.zeroPoints.map { $0 - 128 } : grid.zeroPoints))
  }
}

extension Bytes {
  /// The bytes as an array of their own.
  var copied: [UInt8] { withUnsafeBytes(Array.init) }
}
