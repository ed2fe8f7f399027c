import ModelGraph
import Support
import WeightCoding

/// The nodes that take the place of one QuantDTypeCast, and the tensors they need.
struct DequantizationChain {
  /// The model's tensors, the constant's changed and others added.
  private(set) var tensors: [MSLiteTensor]
  /// The nodes, the last of which makes what the cast made.
  private(set) var nodes: [MSLiteNode] = []
  /// How the integers lie in the file.
  private(set) var compression = WeightCompression.none

  private let weights: Int
  private let result: Int
  private let dimensions: [Int]
  private let axis: Int?
  private let name: String
  private let bits: Int
  private let cast: MSLiteNode
  private let firstAdded: Int

  /// - Parameters:
  ///   - node: the cast, of the constant or of what a Gather found in it.
  ///   - weights: the tensor of the constant.
  init(_ model: MSLiteModel, _ node: Int, weights: Int, bits: Int) {
    cast = model.nodes[node]
    self.weights = weights
    result = cast.outputs[0]
    tensors = model.tensors
    firstAdded = tensors.count
    dimensions = tensors[cast.inputs[0]].dimensions
    axis = tensors[weights].channelAxis
    name = cast.inputs[0] == weights ? tensors[weights].name : cast.name
    self.bits = bits
  }

  /// Bytes of the integers and of what was added for them.
  var addedByteCount: Int {
    tensors[weights].byteCount + tensors[firstAdded...].reduce(0) { $0 + $1.byteCount }
      + MSLiteWeightStorage.parameterByteCount * tensors[weights].quantization.count
  }

  // MARK: Forms

  /// Keeps the cast, of integers that are unpacked at loading where they are packed. It makes the
  /// weights where one scale holds for all; else floats that are whole, which are rescaled.
  mutating func cast(fields: CodedWeights, _ made: EncodedIntegers) {
    store(fields, as: bits > 8 ? .int16 : .int8)
    let isWhole = made.scales.count == 1
    tensors[weights].quantization = [
      MSLiteQuantization(
        scale: isWhole ? Double(made.scales[0]) : 1, zeroPoint: isWhole ? made.zeroPoints[0] : 0,
        bits: Int32(bits))
    ]
    let floats = append(
      cast.primitive, [weights], "-QuantDtypeCast", isLast: isWhole)
    if !isWhole { rescale(floats, made) }
  }

  /// Makes integers float, then adds and multiplies: `(q - zeroPoint) * scale`.
  mutating func compute(_ plain: CodedWeights, _ made: EncodedIntegers) {
    store(plain, as: bits > 8 ? .int16 : .int8)
    let type = add(
      "-type", .int32, [1], [UInt8](littleEndian: [Int32(43)]))
    let floats = append(MSLitePrimitive("Cast"), [cast.inputs[0], type], "-Cast", isLast: false)
    rescale(floats, made)
  }

  /// Decodes an entropy code. It stands for the weights where one scale holds for all; else for their
  /// integers, which are rescaled.
  mutating func decode(_ stream: EntropyStream, _ made: EncodedIntegers) {
    let isWhole = made.scales.count == 1
    let numbers = stream.values.map { value in
      isWhole ? made.scales[0] * Float(Int32(value) - made.zeroPoints[0]) : Float(value)
    }
    let full = stream.bitCount / 64
    store(
      CodedWeights(
        compression: .none, bytes: [UInt8](littleEndian: Array(stream.words[..<full]))),
      as: .int8)
    tensors[weights].dimensions = [1, tensors[weights].byteCount]
    let table = stream.decoderTable
    let states = [table.baselines.count]
    let inputs = [
      weights,
      add("-states_table", .uint16, states, [UInt8](littleEndian: table.baselines)),
      add("-bit_count_table", .uint8, states, table.bitCounts),
      add("-symbol_table", .uint16, states, [UInt8](littleEndian: table.symbols)),
      add(
        "-centroids", .float32, [numbers.count],
        [UInt8](littleEndian: numbers.map(\.bitPattern))),
      add(
        "-input_shape", .int32, [dimensions.count],
        [UInt8](littleEndian: dimensions.map { Int32(clamping: $0) })),
      add(
        "-chunk_ends", .uint64, [stream.segmentEnds.count],
        [UInt8](littleEndian: stream.segmentEnds)),
    ]
    let primitive = MSLitePrimitive(
      "Custom",
      [
        "type": .string("FSEDecode"),
        "attr": .attributes([
          .init("dst_t", "43"),
          .init("curr_chunk", String(Int64(bitPattern: stream.words[full]))),
          .init("curr_chunk_index", String(full - 1)),
          .init("curr_bit_count", String(stream.bitCount % 64)),
          .init("table_log", String(stream.tableLog)),
        ]),
      ])
    compression = .entropy
    let floats = append(primitive, inputs, "-FSEDecode", isLast: isWhole)
    if !isWhole { rescale(floats, made) }
  }

  // MARK: Parts

  private mutating func rescale(_ floats: Int, _ made: EncodedIntegers) {
    var extents = [1]
    if made.scales.count > 1, let axis {
      extents = dimensions.indices.map { $0 == axis ? made.scales.count : 1 }
    }
    let zeros = add(
      "-zps", .float32, extents,
      [UInt8](littleEndian: made.zeroPoints.map { Float(-$0).bitPattern }))
    let scales = add(
      "-scales", .float32, extents, [UInt8](littleEndian: made.scales.map(\.bitPattern)))
    let moved = append(MSLitePrimitive("AddFusion"), [floats, zeros], "-Add", isLast: false)
    _ = append(MSLitePrimitive("MulFusion"), [moved, scales], "-Mul", isLast: true)
  }

  private mutating func store(_ coded: CodedWeights, as type: ElementType) {
    tensors[weights].content = .bytes(Bytes(coded.bytes))
    tensors[weights].elementType = type
    tensors[weights].compression = coded.compression
    compression = coded.compression
  }

  private mutating func add(
    _ suffix: String, _ type: ElementType, _ extents: [Int], _ bytes: [UInt8]
  ) -> Int {
    tensors.append(
      MSLiteTensor(
        name: name + suffix, elementType: type, dimensions: extents,
        content: .bytes(Bytes(bytes))))
    return tensors.count - 1
  }

  /// Appends a node; the last one makes what the cast made.
  private mutating func append(
    _ primitive: MSLitePrimitive, _ inputs: [Int], _ suffix: String, isLast: Bool
  ) -> Int {
    var output = result
    if !isLast {
      tensors.append(
        MSLiteTensor(name: name + suffix, elementType: .float32, dimensions: dimensions))
      output = tensors.count - 1
    }
    nodes.append(
      MSLiteNode(name: name + suffix, primitive: primitive, inputs: inputs, outputs: [output]))
    return output
  }
}

extension [UInt8] {
  /// The little-endian bytes of integers.
  fileprivate init(littleEndian values: [some FixedWidthInteger]) {
    self = values.map(\.littleEndian).withUnsafeBytes(Array.init)
  }
}
