import ModelGraph
import Support

/// Writes a graph as an ONNX file: quantized constants as integers behind DequantizeLinear, all
/// else as it was read.
///
/// The file is laid out first, from sizes alone; then its parts are made and written where they
/// belong, in parallel and in bounded memory.
public struct ONNXWriter: Sendable {
  /// Results over this many bytes put their tensors in a second file: protocol buffers end at 2 GB.
  static let inlineLimit = Int(Int32.max)

  /// The tensor data of the file, outside the message.
  private let payloads: [ONNXPayload]
  private let skeleton: [UInt8]
  private let inlineByteCount: Int

  /// Lays out the model.
  ///
  /// - Complexity: O(nodes + small tensors).
  public init(_ model: Model) throws(Failure) {
    var builder = ONNXMessageBuilder(model)
    let message = try builder.message()
    skeleton = try ONNXReader.serialized(message)
    payloads = builder.payloads
    inlineByteCount =
      PayloadJoiner(skeleton: skeleton, payloadByteCounts: payloads.map(\.byteCount)).byteCount
  }

  /// The version of ONNX's operators that can hold the graph's quantized constants: 21 has 4-bit
  /// and 16-bit DequantizeLinear, 13 its `axis`, 10 the operator; nil without such constants.
  public static func requiredOperatorSetVersion(of model: Model) -> Int? {
    let constants = model.graph.allGraphs.flatMap { graph in
      graph.initializers.compactMap(\.quantized)
        + graph.nodes.flatMap { node in node.outputs.compactMap { $0?.quantized } }
    }
    return constants.map { constant in
      if constant.storage.elementType != .int8 { return 21 }
      return constant.storage.axis == nil && constant.source.elementType != .bfloat16 ? 10 : 13
    }.max()
  }

  /// Whether the tensors go to a second file.
  public var usesExternalData: Bool { inlineByteCount > ONNXWriter.inlineLimit }

  /// Bytes that will be written, both files together.
  public var byteCount: Int { inlineByteCount }

  /// The file that holds the tensors of the model at `path` when they don't fit inside.
  public static func externalPath(for path: String) -> String { path + ".data" }

  /// Writes the file, whole or not at all.
  ///
  /// - Parameters:
  ///   - path: the target; an older file there is replaced at the end.
  ///   - pool: the workers that encode.
  ///   - onSlab: called from any worker with the parameters of each encoded slab; `constant`
  ///     is the constant's number.
  public func write(
    to path: String, pool: WorkerPool,
    onSlab: @escaping @Sendable (_ constant: Int, _ parameters: EncodedParameters) -> Void
  ) throws(Failure) {
    do {
      if usesExternalData {
        try writeExternal(to: path, pool: pool, onSlab: onSlab)
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
      }
    } catch let error as SystemError {
      throw Failure(
        .cannotWrite, "'\(path)' cannot be written: \(error.operation): \(error.reason)",
        help: "check the folder's permissions and free space; an older file there is unchanged")
    } catch {
      throw Failure(.internalError, "writing '\(path)': \(error)")
    }
  }

  /// The tensors in a file of their own, each at a multiple of 4096 bytes so that it can be mapped.
  private func writeExternal(
    to path: String, pool: WorkerPool,
    onSlab: @escaping @Sendable (_ constant: Int, _ parameters: EncodedParameters) -> Void
  ) throws {
    var offsets: [Int] = []
    var end = 0
    for payload in payloads {
      offsets.append(end)
      end = (end + payload.byteCount + 4095) / 4096 * 4096
    }
    let dataPath = ONNXWriter.externalPath(for: path)
    let data = try AtomicFile(path: dataPath)
    try data.resize(to: end)
    try PayloadWriter(payloads: payloads, offsets: offsets, file: data).run(pool, onSlab)
    let name = dataPath.split(separator: "/").last.map(String.init) ?? dataPath
    let message = try ExternalDataRewriter(
      fileName: name, offsets: offsets, byteCounts: payloads.map(\.byteCount)
    ).rewrite(skeleton)
    let file = try AtomicFile(path: path)
    try Bytes(message).withUnsafeBytes { (buffer) throws(SystemError) in
      try file.write(buffer, at: 0)
    }
    try data.commit()
    try file.commit()
  }
}

/// A tensor's data as the writer sees it: bytes that exist, or a part of a quantized constant.
struct ONNXPayload: Sendable {
  enum Source: Sendable {
    case bytes(Bytes)
    /// The integers of a quantized constant; encoding them fills the other two payloads as well.
    case integers(QuantizedConstant, scales: Int, zeroPoints: Int)
    /// Filled by the constant's integers.
    case parameters
  }

  let source: Source
  let byteCount: Int
}

/// Puts payloads where they belong in a file.
struct PayloadWriter: Sendable {
  let payloads: [ONNXPayload]
  let offsets: [Int]
  let file: AtomicFile

  /// A piece of work: copy a payload, or encode one slab.
  private struct Task: Sendable {
    let payload: Int
    let slab: Int
    let byteCount: Int
  }

  /// Float bytes that may be in work at once, over all workers.
  private static let budget = 192 << 20
  /// Bytes copied at once.
  private static let copyLength = 16 << 20

  func run(
    _ pool: WorkerPool, _ onSlab: @escaping @Sendable (Int, EncodedParameters) -> Void
  ) throws(SystemError) {
    var tasks: [Task] = []
    for (index, payload) in payloads.enumerated() {
      switch payload.source {
      case .bytes(let bytes):
        let length = min(bytes.count, PayloadWriter.copyLength)
        tasks.append(Task(payload: index, slab: 0, byteCount: length))
      case .integers(let constant, _, _):
        for slab in 0..<constant.slabCount {
          tasks.append(Task(payload: index, slab: slab, byteCount: constant.slabByteCount))
        }
      case .parameters: break
      }
    }
    let gate = ByteBudget(PayloadWriter.budget)
    try pool.forEach(tasks.count) { [tasks] (index) throws(SystemError) in
      let task = tasks[index]
      let granted = gate.take(task.byteCount)
      defer { gate.give(granted) }
      try perform(task, onSlab)
    }
  }

  private func perform(
    _ task: Task, _ onSlab: @Sendable (Int, EncodedParameters) -> Void
  ) throws(SystemError) {
    let offset = offsets[task.payload]
    switch payloads[task.payload].source {
    case .bytes(let bytes):
      var start = 0
      while start < bytes.count {
        let part = bytes[start..<min(bytes.count, start + PayloadWriter.copyLength)]
        try part.withUnsafeBytes { (buffer) throws(SystemError) in
          try file.write(buffer, at: offset + start)
        }
        part.release()
        start += PayloadWriter.copyLength
      }
    case .integers(let constant, let scales, let zeroPoints):
      let slab = constant.encode(task.slab)
      try write(slab.integers, at: offset + slab.byteOffset)
      try write(slab.parameters.scales, at: offsets[scales] + slab.parameters.firstChannel * 4)
      try writeZeroPoints(slab.parameters, of: constant, at: offsets[zeroPoints])
      onSlab(constant.number, slab.parameters)
    case .parameters: break
    }
  }

  private func write<Element>(_ values: [Element], at offset: Int) throws(SystemError) {
    var failure: SystemError?
    values.withUnsafeBytes { buffer in
      do throws(SystemError) { try file.write(buffer, at: offset) } catch { failure = error }
    }
    if let failure { throw failure }
  }

  private func writeZeroPoints(
    _ parameters: EncodedParameters, of constant: QuantizedConstant, at offset: Int
  ) throws(SystemError) {
    let first = parameters.firstChannel
    switch constant.storage.elementType {
    case .int4:
      let low = parameters.zeroPoints.indices.filter { $0 % 2 == 0 }
      let bytes = low.map { index in
        let high = index + 1 < parameters.zeroPoints.count ? parameters.zeroPoints[index + 1] : 0
        return UInt8(truncatingIfNeeded: parameters.zeroPoints[index] & 15 | (high & 15) << 4)
      }
      try write(bytes, at: offset + first / 2)
    case .int16:
      try write(parameters.zeroPoints.map { Int16(truncatingIfNeeded: $0) }, at: offset + first * 2)
    default:
      try write(parameters.zeroPoints.map { Int8(truncatingIfNeeded: $0) }, at: offset + first)
    }
  }
}
