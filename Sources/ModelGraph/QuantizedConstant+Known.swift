extension QuantizedConstant {
  /// The number of constants that no plan numbers: those that a model brings along quantized.
  public static let unnumbered = -1

  /// A constant whose integers are made already, in one slab.
  ///
  /// - Parameters:
  ///   - source: what the integers stand for.
  ///   - integers: the packed integers, as `storage` says, row-major.
  public init(
    number: Int = QuantizedConstant.unnumbered, source: TensorData, storage: QuantizedStorage,
    integers: [UInt8], parameters: EncodedParameters
  ) {
    self.init(
      number: number, source: source, storage: storage, channelCount: parameters.scales.count,
      slabCount: 1, slabByteCount: integers.count, knownParameters: parameters,
      encode: { _, _ in EncodedSlab(byteOffset: 0, integers: integers, parameters: parameters) })
  }
}
