/// Reading and writing of protocol buffers' wire format, as far as moving payloads needs it.
///
/// See https://protobuf.dev/programming-guides/encoding: a message is a run of fields, each a tag
/// (field number and wire type) and a value whose end the wire type tells.
enum Wire {
  /// How a field's value is laid out.
  enum Kind: UInt64 {
    case varint = 0
    case fixed64 = 1
    case delimited = 2
    case fixed32 = 5
  }

  /// One field of a message.
  struct Field {
    let number: UInt64
    let kind: Kind
    /// Tag and value.
    let whole: Range<Int>
    /// The value alone, without a length prefix.
    let value: Range<Int>
  }

  /// The bytes are not a message.
  struct Malformed: Error {
    let offset: Int
  }

  /// Steps through the fields of the message in `range`.
  struct Fields {
    let bytes: UnsafeRawBufferPointer
    private(set) var position: Int
    let end: Int

    init(_ bytes: UnsafeRawBufferPointer, in range: Range<Int>) {
      self.bytes = bytes
      position = range.lowerBound
      end = range.upperBound
    }

    mutating func next() throws(Malformed) -> Field? {
      guard position < end else { return nil }
      let start = position
      let tag = try varint()
      guard let kind = Kind(rawValue: tag & 7), tag >> 3 > 0, tag >> 3 < 1 << 29 else {
        throw Malformed(offset: start)
      }
      var valueStart = position
      switch kind {
      case .varint: _ = try varint()
      case .fixed64: try skip(8)
      case .fixed32: try skip(4)
      case .delimited:
        let length = try varint()
        guard length <= UInt64(end - position) else { throw Malformed(offset: start) }
        valueStart = position
        position += Int(length)
      }
      return Field(
        number: tag >> 3, kind: kind, whole: start..<position, value: valueStart..<position)
    }

    private mutating func skip(_ count: Int) throws(Malformed) {
      guard count <= end - position else { throw Malformed(offset: position) }
      position += count
    }

    private mutating func varint() throws(Malformed) -> UInt64 {
      var value: UInt64 = 0
      var shift: UInt64 = 0
      let start = position
      while position < end, shift < 64 {
        let byte = bytes[position]
        position += 1
        value |= UInt64(byte & 0x7f) << shift
        if byte & 0x80 == 0 { return value }
        shift += 7
      }
      throw Malformed(offset: start)
    }
  }

  static func appendVarint(_ value: UInt64, to bytes: inout [UInt8]) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }

  static func appendTag(_ number: UInt64, _ kind: Kind, to bytes: inout [UInt8]) {
    appendVarint(number << 3 | kind.rawValue, to: &bytes)
  }

  /// The messages on the way to tensors, and which of their fields lead further.
  enum Message {
    case model, function, graph, node, attribute, tensor

    func child(_ field: UInt64) -> Message? {
      switch (self, field) {
      case (.model, 7), (.attribute, 6), (.attribute, 11): .graph
      case (.model, 25): .function
      case (.graph, 1), (.function, 7): .node
      case (.graph, 5), (.attribute, 5), (.attribute, 10): .tensor
      case (.node, 5): .attribute
      default: nil
      }
    }
  }

  /// `Tensor.payload` in our `.proto`.
  static let payloadField: UInt64 = 536_870_000
  /// `Tensor.raw_data`.
  static let rawDataField: UInt64 = 9
  /// Deepest nesting of messages that is read; the generated decoder has the same limit.
  static let depthLimit = 100
}
