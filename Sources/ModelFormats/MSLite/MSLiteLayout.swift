import ModelGraph
import Support

/// A `.ms` file without the contents of its constants, and where these belong.
final class MSLiteLayout: Sendable {
  /// The contents of a constant.
  struct Constant: Sendable {
    let content: MSLiteTensor.Content
    let hole: FlatBufferBuilder.Hole
    /// Tables of parameters that are known once the integers are.
    let parameters: [UInt32]
    /// Where the hole starts in the file.
    var position = 0
  }

  let builder: FlatBufferBuilder
  let contents: [Constant]
  private let parameterLock = Guarded(())

  init(_ model: MSLiteModel) throws(Failure) {
    let capacity = MSLiteLayout.capacity(for: model)
    guard capacity <= MSLiteWriter.byteLimit else {
      throw Failure(
        .modelUnsupported, "the model is too large for a .ms file",
        notes: ["such a file ends at 2 GiB; the model needs \(capacity) bytes"],
        help: "use --saveType=ONNX")
    }
    guard let builder = FlatBufferBuilder(capacity: capacity) else {
      throw Failure(
        .cannotWrite, "no address space for a file of \(capacity) bytes",
        help: "raise the limit of `ulimit -v`")
    }
    var drawing = MSLiteDrawing(builder)
    drawing.draw(model)
    self.builder = builder
    contents = drawing.contents.map { constant in
      var constant = constant
      constant.position = builder.position(of: constant.hole)
      return constant
    }
  }

  /// More than the file can need.
  private static func capacity(for model: MSLiteModel) -> Int {
    var bytes = 1 << 16
    for tensor in model.tensors {
      let parameters =
        if case .quantized(let constant, _) = tensor.content { constant.channelCount } else {
          tensor.quantization.count
        }
      bytes += tensor.byteCount + tensor.name.utf8.count + 8 * tensor.dimensions.count + 192
      bytes += 128 * parameters
    }
    for node in model.nodes {
      bytes += node.name.utf8.count + 4 * (node.inputs.count + node.outputs.count) + 512
      for setting in node.primitive.settings.values {
        switch setting {
        case .ints(let values): bytes += 8 * values.count
        case .floats(let values): bytes += 4 * values.count
        case .rows(let rows): bytes += rows.reduce(0) { $0 + 64 + 8 * $1.count }
        case .string(let text): bytes += text.utf8.count
        case .attributes(let attributes):
          bytes += attributes.reduce(0) { $0 + 64 + $1.name.utf8.count + $1.text.utf8.count }
        default: break
        }
      }
    }
    for graph in model.subgraphs {
      bytes += graph.name.utf8.count + 256
      bytes += 4 * (graph.inputs.count + graph.outputs.count + graph.nodes.count)
      bytes += 4 * model.tensors.count
    }
    return bytes
  }

  /// Writes one slab of a constant.
  func write(
    _ constant: Constant, slab: Int, to file: AtomicFile,
    _ onSlab: (Int, EncodedParameters) -> Void
  ) throws(SystemError) {
    switch constant.content {
    case .variable: break
    case .bytes(let bytes):
      try bytes.withUnsafeBytes { (buffer) throws(SystemError) in
        try file.write(buffer, at: constant.position)
      }
      bytes.release()
    case .made(_, _, let make):
      try Bytes(make()).withUnsafeBytes { (buffer) throws(SystemError) in
        try file.write(buffer, at: constant.position)
      }
    case .quantized(let source, let rearrange):
      let encoded = source.encode(slab)
      let integers = rearrange?(encoded) ?? encoded.integers
      try Bytes(integers).withUnsafeBytes { (buffer) throws(SystemError) in
        try file.write(buffer, at: constant.position + encoded.byteOffset)
      }
      store(encoded.parameters, in: constant.parameters)
      onSlab(source.number, encoded.parameters)
    }
  }

  private func store(_ parameters: EncodedParameters, in tables: [UInt32]) {
    parameterLock.withLock { _ in
      for index in parameters.scales.indices {
        let place = tables[parameters.firstChannel + index]
        put(Double(parameters.scales[index]).bitPattern, "scale", in: place)
        put(UInt32(bitPattern: parameters.zeroPoints[index]), "zeroPoint", in: place)
        if !parameters.offsets.isEmpty {
          put(parameters.offsets[index].bitPattern, "meanCorr", in: place)
        }
      }
    }
  }

  /// Puts a number into a field that a table of parameters was drawn with.
  private func put(_ bits: some FixedWidthInteger, _ field: String, in place: UInt32) {
    guard let number = MSLiteLayout.parameterTable.number(of: field) else { return }
    let position = builder.position(of: number, in: place)
    builder.withBytes {
      $0.storeBytes(of: bits.littleEndian, toByteOffset: position, as: type(of: bits))
    }
  }

  private static let parameterTable = MSLiteSchema.table("QuantParam")
}
