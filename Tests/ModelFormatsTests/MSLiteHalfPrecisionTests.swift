import ModelFormats
import ModelGraph
import Support
import Testing

@Suite struct MSLiteHalfPrecisionTests {
  private func tensor(
    _ values: [Float], _ dimensions: [Int], _ name: String = "w", shift: Int = 0
  ) -> MSLiteTensor {
    let bytes = values.map(\.bitPattern.littleEndian).withUnsafeBytes(Array.init)
    let shifted = Bytes(Array(repeating: 0, count: shift) + bytes)
    return MSLiteTensor(
      name: name, elementType: .float32, dimensions: dimensions,
      content: .bytes(shifted[shift..<shift + bytes.count]))
  }

  private func halved(_ tensors: [MSLiteTensor]) -> (MSLiteModel, stay: [String]) {
    var model = MSLiteModel()
    model.tensors = tensors
    let stay = MSLiteHalfPrecision.apply(to: &model, pool: WorkerPool(threads: 2))
    return (model, stay)
  }

  private func bits(_ tensor: MSLiteTensor) -> [UInt16]? {
    guard case .made(let count, _, let make) = tensor.content else { return nil }
    let bytes = make()
    #expect(bytes.count == count && tensor.byteCount == count)
    return Bytes(bytes).load(UInt16.self).map(UInt16.init(littleEndian:))
  }

  /// numpy: `np.array([...], np.float32).astype(np.float16).view(np.uint16)`.
  @Test(arguments: [0, 1, 2]) func numbersAreRoundedToTheNearestOnesTiesToEven(shift: Int) {
    let values: [Float] = [
      1, -2.5, 0.1, 1.00048828125, 1.00146484375, 65504, 65519, 6e-8, 1e-9, -0.0,
    ]
    let (model, stay) = halved([tensor(values, [2, 5], shift: shift)])
    #expect(stay.isEmpty)
    #expect(model.tensors[0].elementType == .float16)
    #expect(
      bits(model.tensors[0]) == [
        0x3c00, 0xc100, 0x2e66, 0x3c00, 0x3c02, 0x7bff, 0x7bff, 0x0001, 0x0000, 0x8000,
      ])
  }

  /// numpy: `np.array([...], np.float32).astype(np.float16).astype(np.float32)`.
  @Test func halvesStandForTheNumbersThatARuntimeTakes() throws {
    let values: [Float] = [1, -2.5, 0.1, 1.00146484375, 65519, 6e-8, 1e-9, -0.0]
    let data = TensorData(float32: values, dimensions: [2, 4])
    let rounded = try #require(MSLiteHalfPrecision.rounded(data))
    #expect(rounded.dimensions == [2, 4])
    #expect(
      rounded.float32Values == [1, -2.5, 0.0999755859375, 1.001953125, 65504, 0x1p-24, 0, -0.0])
    #expect(MSLiteHalfPrecision.rounded(TensorData(float32: values, dimensions: [8])) == nil)
    #expect(
      MSLiteHalfPrecision.rounded(TensorData(float32: [65520, 1], dimensions: [1, 2])) == nil)
    #expect(MSLiteHalfPrecision.rounded(TensorData(int32: [1, 2], dimensions: [1, 2])) == nil)
  }

  @Test func whatDoesNotFitStaysAndIsNamed() {
    let (model, stay) = halved([
      tensor([1, 65520], [1, 2], "large"), tensor([1, -3.4e38], [1, 2], "mask"),
      tensor([1, .infinity], [1, 2], "infinite"), tensor([.nan, 1], [1, 2], "nan"),
      tensor([1e-5, -6e-5], [1, 2], "small"), tensor([0, 0], [1, 2], "zeros"),
      tensor([1e-5, 1], [1, 2], "mixed"),
    ])
    #expect(stay == ["large", "mask", "infinite", "nan", "small"])
    #expect(
      model.tensors.map(\.elementType) == [
        .float32, .float32, .float32, .float32, .float32, .float16, .float16,
      ])
    #expect(model.tensors[0].byteCount == 8 && model.tensors[5].byteCount == 4)
  }

  @Test func onlyFloatWeightsAreHalved() {
    var integers = tensor([1, 2], [1, 2])
    integers.elementType = .int32
    let (model, stay) = halved([
      integers, tensor([1e9], [1]), tensor([1e9], []), tensor([1, 2], [2]),
      MSLiteTensor(name: "x", elementType: .float32, dimensions: [1, 2]), tensor([], [0, 4]),
    ])
    #expect(stay.isEmpty)
    #expect(
      model.tensors.prefix(5).map(\.elementType) == [
        .int32, .float32, .float32, .float32, .float32,
      ])
    #expect(model.tensors[5].byteCount == 0)
  }
}
