import ModelGraph
import Support

/// A tensor's data as the writer sees it: bytes that exist, or a part of a quantized constant.
struct ONNXPayload: Sendable {
  enum Source: Sendable {
    case bytes(Bytes)
    /// The integers of a quantized constant; encoding them fills the other payloads as well. Without
    /// a payload for zero points, they are 0 and not stored.
    case integers(QuantizedConstant, scales: Int, zeroPoints: Int?)
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
      if let zeroPoints {
        try writeZeroPoints(slab.parameters, of: constant, at: offsets[zeroPoints])
      }
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
    if constant.storage.arrangement == .blockRows, let rows = BlockRows(constant) {
      try write(
        rows.packed(parameters.zeroPoints), at: offset + first / rows.blocks * rows.zeroPointBytes)
      return
    }
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
    case .int32: try write(parameters.zeroPoints, at: offset + first * 4)
    default:
      try write(parameters.zeroPoints.map { Int8(truncatingIfNeeded: $0) }, at: offset + first)
    }
  }
}
