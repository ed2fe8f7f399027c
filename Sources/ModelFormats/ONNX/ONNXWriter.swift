import ModelGraph
import Support

/// Writes a graph as an ONNX file: quantized constants as integers behind DequantizeLinear, all
/// else as it was read.
///
/// The file is laid out first, from sizes alone; then its parts are made and written where they
/// belong, in parallel and in bounded memory.
public struct ONNXWriter: Sendable {
  /// Results over this many bytes put their tensors in a second file: protocol buffers end at 2 GB.
  public static let inlineLimit = Int(Int32.max)

  /// The tensor data of the file, outside the message.
  private let payloads: [ONNXPayload]
  private let skeleton: [UInt8]
  private let inlineByteCount: Int
  private let inlineLimit: Int

  /// Lays out the model; `inlineLimit` is the size from which tensors go to a second file.
  ///
  /// - Complexity: O(nodes + small tensors).
  public init(_ model: Model, inlineLimit: Int = ONNXWriter.inlineLimit) throws(Failure) {
    self.inlineLimit = inlineLimit
    var builder = ONNXMessageBuilder(model)
    let message = try builder.message()
    skeleton = try ONNXReader.serialized(message)
    payloads = builder.payloads
    inlineByteCount =
      PayloadJoiner(skeleton: skeleton, payloadByteCounts: payloads.map(\.byteCount)).byteCount
  }

  /// The version of ONNX's operators that can hold the graph's quantized constants: 21 has 4-bit,
  /// 16-bit and blocked DequantizeLinear, 13 its `axis`, 10 the operator; nil without such constants.
  public static func requiredOperatorSetVersion(of model: Model) -> Int? {
    let constants = model.graph.allGraphs.flatMap { graph in
      graph.initializers.compactMap(\.quantized)
        + graph.nodes.flatMap { node in node.outputs.compactMap { $0?.quantized } }
    }
    return constants.map { constant in
      if constant.storage.block != nil { return 21 }
      if ![.int8, .uint8, .int32].contains(constant.storage.elementType) { return 21 }
      return constant.storage.axis == nil && constant.source.elementType != .bfloat16 ? 10 : 13
    }.max()
  }

  /// Whether the tensors go to a second file.
  public var usesExternalData: Bool { inlineByteCount > inlineLimit }

  /// Bytes that will be written, both files together.
  public var byteCount: Int { inlineByteCount }

  /// Writes the file, whole or not at all.
  ///
  /// - Returns: the files written, the model first.
  /// - Parameters:
  ///   - path: the target; an older file there is replaced at the end.
  ///   - pool: the workers that encode.
  ///   - onSlab: called from any worker with the parameters of each encoded slab; `constant`
  ///     is the constant's number.
  public func write(
    to path: String, pool: WorkerPool,
    onSlab: @escaping @Sendable (_ constant: Int, _ parameters: EncodedParameters) -> Void
  ) throws(Failure) -> [String] {
    do {
      if usesExternalData {
        let external = ExternalDataWriter(path: path, payloads: payloads, skeleton: skeleton)
        return [path, try external.write(pool, onSlab)]
      } else {
        let joiner = PayloadJoiner(
          skeleton: skeleton, payloadByteCounts: payloads.map(\.byteCount))
        let file = try AtomicFile(path: path)
        try file.resize(to: joiner.byteCount)
        var offsets = [Int](repeating: 0, count: payloads.count)
        var position = 0
        for piece in joiner.pieces {
          switch piece {
          case .literal(let bytes):
            try Bytes(bytes).withUnsafeBytes { (buffer) throws(SystemError) in
              try file.write(buffer, at: position)
            }
            position += bytes.count
          case .payload(let index):
            offsets[index] = position
            position += payloads[index].byteCount
          }
        }
        try PayloadWriter(payloads: payloads, offsets: offsets, file: file).run(pool, onSlab)
        try file.commit()
        return [path]
      }
    } catch let error as SystemError {
      throw Failure(
        .cannotWrite, "'\(path)' cannot be written: \(error.operation): \(error.reason)",
        help: "check the folder's permissions and free space; an older file there is unchanged")
    } catch {
      throw Failure(.internalError, "writing '\(path)': \(error)")
    }
  }
}
