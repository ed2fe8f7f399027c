import Glibc
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

  /// A cast of a constant with fewer than 8 bits, written and read.
  @Test(arguments: [(1, 5000), (4, 5000), (4, 20_000)])
  func anEntropyCodeIsDecodedByANodeOfTheGraph(segments: Int, count: Int) throws {
    let integers = (0..<count).map { Int16($0 * $0 % 13 - 6) }
    let constant = QuantizedConstant(
      number: 3, source: TensorData(float32: integers.map { Float($0) }),
      storage: QuantizedStorage(bits: 4, elementType: .int8, axis: nil), channelCount: 1,
      slabCount: 1, slabByteCount: 4 * count,
      encode: { _, _ in
        EncodedSlab(
          byteOffset: 0, integers: integers.map { UInt8(truncatingIfNeeded: $0) },
          parameters: EncodedParameters(firstChannel: 0, scales: [0.5], zeroPoints: [1]))
      })
    var model = MSLiteModel()
    model.tensors = [
      MSLiteTensor(name: "w", elementType: .int8, dimensions: [count]),
      MSLiteTensor(name: "f", elementType: .float32, dimensions: [count]),
      MSLiteTensor(name: "y", elementType: .float32),
    ]
    model.tensors[0].content = .quantized(constant, rearrange: nil)
    model.nodes = [
      MSLiteNode(
        name: "cast",
        primitive: MSLitePrimitive("QuantDTypeCast", ["src_t": .int(32), "dst_t": .int(43)]),
        inputs: [0], outputs: [1]),
      MSLiteNode(name: "abs", primitive: MSLitePrimitive("Abs"), inputs: [1], outputs: [2]),
    ]
    model.subgraphs = [MSLiteSubgraph(name: "main", inputs: [], outputs: [2], nodes: [0, 1])]
    let pool = WorkerPool(threads: 1)
    let stored = MSLiteDequantization.apply(.casts(segments: segments), to: &model, pool: pool) {
      _, _ in
    }
    #expect(stored.map(\.number) == [3] && stored[0].compression == .entropy)
    let folder = try TemporaryFile()
    try MSLiteWriter(model).write(to: folder.path, pool: pool) { _, _ in }
    let read = try MSLiteReader.read(path: folder.path)
    #expect(read.nodes.map(\.primitive.name) == ["Custom", "Abs"])
    let node = read.nodes[0]
    #expect(node.primitive.settings["type"] == .string("FSEDecode"))
    guard case .attributes(let attributes)? = node.primitive.settings["attr"] else {
      Issue.record("no attributes")
      return
    }
    #expect(
      attributes.map(\.name) == [
        "dst_t", "curr_chunk", "curr_chunk_index", "curr_bit_count", "table_log",
      ])
    let inputs = node.inputs.map { read.tensors[$0] }
    #expect(
      inputs.map(\.elementType)
        == [.int8, .uint16, .uint8, .uint16, .float32, .int32, .uint64])
    #expect(inputs[0].dimensions == [1, inputs[0].byteCount])
    #expect(Int(attributes[2].text) == inputs[0].byteCount / 8 - 1)
    #expect(inputs[1].dimensions == [1 << (Int(attributes[4].text) ?? 0)])
    #expect(inputs[6].dimensions == [count > 10_000 ? segments : 1])
    guard case .bytes(let numbers) = inputs[4].content else { return }
    #expect(
      numbers.load(UInt32.self).map(Float.init(bitPattern:))
        == Set(integers).sorted().map { 0.5 * (Float($0) - 1) })
  }

  /// A path that is free, and empty again at the end.
  private final class TemporaryFile {
    let path: String

    init() throws { path = "/tmp/gsconvert-stream-\(getpid())-\(UInt64.random(in: 0 ... .max)).ms" }

    deinit { unlink(path) }
  }

  /// Offsets are in the file whether integers are made as it is written or before.
  @Test(arguments: [false, true]) func offsetsAreStored(isCoded: Bool) throws {
    var storage = QuantizedStorage(bits: 8, elementType: .int8, axis: 0)
    storage.hasOffsets = true
    let constant = QuantizedConstant(
      number: 0, source: TensorData(float32: [1, 2, 3, 4], dimensions: [2, 2]), storage: storage,
      channelCount: 2, slabCount: 2, slabByteCount: 8,
      encode: { slab, _ in
        var parameters = EncodedParameters(
          firstChannel: slab, scales: [0.5], zeroPoints: [Int32(slab)])
        parameters.offsets = [0.25 - Float(slab)]
        return EncodedSlab(byteOffset: 2 * slab, integers: [2, 4], parameters: parameters)
      })
    var model = MSLiteModel()
    model.tensors = [MSLiteTensor(name: "w", elementType: .int8, dimensions: [2, 2])]
    model.tensors[0].content = .quantized(constant, rearrange: nil)
    model.subgraphs = [MSLiteSubgraph(name: "main", inputs: [], outputs: [0], nodes: [])]
    let pool = WorkerPool(threads: 2)
    if isCoded {
      let stored = MSLiteWeightStorage.code(&model, pool: pool) { _, _ in }
      #expect(stored.map(\.byteCount) == [4 + 2 * 28])
    }
    let file = try TemporaryFile()
    try MSLiteWriter(model).write(to: file.path, pool: pool) { _, _ in }
    let read = try MSLiteReader.read(path: file.path)
    #expect(read.tensors[0].quantization.map(\.meanCorrection) == [0.25, -0.75])
    #expect(read.tensors[0].quantization.map(\.scale) == [0.5, 0.5])
    #expect(constant.floats() == [1.25, 2.25, -0.25, 0.75])
  }
}
