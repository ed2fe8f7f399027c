import ModelFormats
import ModelGraph
import Support
import Testing

@Suite struct MSLiteWeightStorageTests {
  /// A model of one constant with these integers, of one scale.
  private func stored(
    _ integers: [Int16], bits: Int, isEntropyCoded: Bool
  ) -> (tensor: MSLiteTensor, slabs: Int) {
    var storage = QuantizedStorage(
      bits: bits, elementType: bits > 8 ? .int16 : .int8, axis: nil)
    storage.isEntropyCoded = isEntropyCoded
    let bytes =
      bits > 8
      ? integers.map(\.littleEndian).withUnsafeBytes(Array.init)
      : integers.map { UInt8(truncatingIfNeeded: $0) }
    let constant = QuantizedConstant(
      number: 0, source: TensorData(float32: integers.map { Float($0) }), storage: storage,
      channelCount: 1, slabCount: 1, slabByteCount: 4 * integers.count,
      encode: { _, _ in
        EncodedSlab(
          byteOffset: 0, integers: bytes,
          parameters: EncodedParameters(firstChannel: 0, scales: [0.5], zeroPoints: [0]))
      })
    var model = MSLiteModel()
    model.tensors = [
      MSLiteTensor(name: "w", elementType: .int8, dimensions: [integers.count])
    ]
    model.tensors[0].content = .quantized(constant, rearrange: nil)
    let slabs = Guarded(0)
    let found = MSLiteWeightStorage.code(&model, pool: WorkerPool(threads: 2)) { _, _ in
      slabs.withLock { $0 += 1 }
    }
    #expect(found.count == 1)
    return (model.tensors[0], slabs.withLock { $0 })
  }

  @Test func fewNumbersAreEntropyCoded() {
    let (tensor, slabs) = stored(
      (0..<5000).map { Int16($0 % 7 * $0 % 3) }, bits: 8, isEntropyCoded: true)
    #expect(tensor.compression == .entropy && tensor.elementType == .float32)
    #expect(tensor.quantization.isEmpty && slabs == 1)
    #expect(tensor.byteCount < 1500)
  }

  @Test func whatHasNoCodeTakesTheNextBestForm() {
    let wide = stored(
      (0..<65_535).map { Int16($0 - 32_767) }, bits: 16, isEntropyCoded: true
    ).tensor
    #expect(wide.compression == .none && wide.elementType == .int16)
    #expect(wide.byteCount == 131_070)
    #expect(wide.quantization.map(\.scale) == [0.5])
    let tiny = stored([3], bits: 8, isEntropyCoded: true).tensor
    #expect(tiny.compression != .entropy && tiny.byteCount == 1)
    #expect(tiny.quantization.map(\.bits) == [3])
    let empty = stored([], bits: 8, isEntropyCoded: true).tensor
    #expect(empty.byteCount == 0)
  }

  @Test func theFirstEntrySaysTheBits() {
    let packed = stored([-4, 3, 1, 2, 0, -1], bits: 3, isEntropyCoded: false).tensor
    #expect(packed.compression == .bitPacking && packed.elementType == .int8)
    #expect(packed.quantization.map(\.bits) == [3])
  }
}
