import ModelGraph

extension Families {
  /// Numbers to integers and back, and operators that compute with quantized integers.
  static let quantization =
    [
      QuantizeKernel.definition(domain: ""), QuantizeKernel.definition(domain: "com.microsoft"),
      DequantizeKernel.definition(domain: ""), DequantizeKernel.definition(domain: "com.microsoft"),
      dynamicQuantize,
    ] + integerProducts + quantizedElementwise + [BlockQuantizedProduct.definition]
}
