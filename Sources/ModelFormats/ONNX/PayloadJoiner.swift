/// Lays out a serialized model with payloads put in: the counterpart of `PayloadSplitter`.
///
/// Only sizes are needed, so a file can be laid out, and its parts written in any order, before a
/// single weight is quantized.
struct PayloadJoiner {
  /// A run of the file.
  enum Piece {
    /// Bytes that are known.
    case literal([UInt8])
    /// The payload of that number.
    case payload(Int)
  }

  /// The runs, in order.
  let pieces: [Piece]
  /// Length of the file in bytes.
  let byteCount: Int

  private struct Part {
    var pieces: [Piece] = []
    var byteCount = 0

    mutating func append(_ bytes: some Sequence<UInt8>) {
      let added: [UInt8]
      if case .literal(var last) = pieces.last {
        let before = last.count
        pieces.removeLast()
        last.append(contentsOf: bytes)
        byteCount += last.count - before
        added = last
      } else {
        added = Array(bytes)
        byteCount += added.count
      }
      if !added.isEmpty { pieces.append(.literal(added)) }
    }

    mutating func append(_ part: Part) {
      for piece in part.pieces {
        switch piece {
        case .literal(let bytes): append(bytes)
        case .payload: pieces.append(piece)
        }
      }
      byteCount += part.byteCount - part.literalByteCount
    }

    private var literalByteCount: Int {
      pieces.reduce(0) { sum, piece in
        if case .literal(let bytes) = piece { sum + bytes.count } else { sum }
      }
    }
  }

  /// Lays out `skeleton`, a serialized model whose tensors may hold `payload` numbers.
  ///
  /// - Precondition: `skeleton` is well formed and every payload number is an index of
  ///   `payloadByteCounts`.
  init(skeleton: [UInt8], payloadByteCounts: [Int]) {
    let part = skeleton.withUnsafeBytes { bytes in
      do {
        return try PayloadJoiner.join(bytes, 0..<bytes.count, .model, payloadByteCounts)
      } catch {
        preconditionFailure("our own serialization is well formed")
      }
    }
    pieces = part.pieces
    byteCount = part.byteCount
  }

  private static func join(
    _ bytes: UnsafeRawBufferPointer, _ range: Range<Int>, _ message: Wire.Message,
    _ payloadByteCounts: [Int]
  ) throws(Wire.Malformed) -> Part {
    var out = Part()
    var pending = range.lowerBound..<range.lowerBound
    var fields = Wire.Fields(bytes, in: range)
    while let field = try fields.next() {
      if message == .tensor, field.number == Wire.payloadField {
        out.append(bytes[pending])
        let index = number(bytes, field.value)
        var head: [UInt8] = []
        Wire.appendTag(Wire.rawDataField, .delimited, to: &head)
        Wire.appendVarint(UInt64(payloadByteCounts[index]), to: &head)
        out.append(head)
        out.pieces.append(.payload(index))
        out.byteCount += payloadByteCounts[index]
        pending = field.whole.upperBound..<field.whole.upperBound
        continue
      }
      if field.kind == .delimited, let child = message.child(field.number) {
        let part = try join(bytes, field.value, child, payloadByteCounts)
        if part.pieces.contains(where: { if case .payload = $0 { true } else { false } }) {
          out.append(bytes[pending])
          var head: [UInt8] = []
          Wire.appendTag(field.number, .delimited, to: &head)
          Wire.appendVarint(UInt64(part.byteCount), to: &head)
          out.append(head)
          out.append(part)
          pending = field.whole.upperBound..<field.whole.upperBound
          continue
        }
      }
      pending = pending.lowerBound..<field.whole.upperBound
    }
    out.append(bytes[pending])
    return out
  }

  private static func number(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) -> Int {
    var value = 0
    for (index, byte) in bytes[range].enumerated() { value |= Int(byte & 0x7f) << (7 * index) }
    return value
  }
}
