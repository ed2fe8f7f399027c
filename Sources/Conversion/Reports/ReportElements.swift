import Inference
import ModelGraph
import Quantization

/// Float elements as reports look at them: row-major, as float32.
enum ReportElements {
  /// The elements; nil for types other than float32, float16 and bfloat16.
  ///
  /// - Complexity: O(elements).
  static func floats(of data: TensorData) -> [Float]? {
    guard [.float32, .float16, .bfloat16].contains(data.elementType), let bytes = data.packed
    else { return nil }
    return FloatReader.withFloats(bytes, data.elementType, 0..<data.elementCount) { Array($0) }
  }

  /// The elements of 8-bit integers; nil for other types.
  ///
  /// - Complexity: O(elements).
  static func integers(of data: TensorData) -> [Float]? {
    guard data.elementType == .int8, let bytes = data.packed else { return nil }
    return bytes.withUnsafeBytes { $0.map { Float(Int8(bitPattern: $0)) } }
  }

  /// The elements of a running model's tensor.
  static func floats(of tensor: Tensor) -> [Float]? {
    guard [.float32, .float16, .bfloat16].contains(tensor.elementType) else { return nil }
    return floats(of: tensor.copied())
  }
}
