/// Takes the large tensors' bytes out of a serialized model, so that the generated decoder sees a
/// small message and the weights stay where they are: mapped.
///
/// In the skeleton that remains, such a tensor has `payload = index` in place of its data. The
/// sizes on the wire are 64 bits wide here, so models over the decoder's 2 GB are read too.
struct PayloadSplitter {
  /// Tensors with less data than this stay in the message.
  static let threshold = 1024

  /// The message without payloads.
  private(set) var skeleton: [UInt8] = []
  /// Where each payload lies in the input.
  private(set) var payloads: [Range<Int>] = []

  /// Splits a serialized model.
  ///
  /// - Complexity: O(fields + bytes of small fields); payloads aren't touched.
  init(model bytes: UnsafeRawBufferPointer) throws(Wire.Malformed) {
    skeleton = try split(bytes, 0..<bytes.count, .model, depth: 0)
  }

  private mutating func split(
    _ bytes: UnsafeRawBufferPointer, _ range: Range<Int>, _ message: Wire.Message, depth: Int
  ) throws(Wire.Malformed) -> [UInt8] {
    guard depth < Wire.depthLimit else { throw Wire.Malformed(offset: range.lowerBound) }
    if message == .tensor { return try splitTensor(bytes, range) }
    var out: [UInt8] = []
    var pending = range.lowerBound..<range.lowerBound
    var fields = Wire.Fields(bytes, in: range)
    while let field = try fields.next() {
      if field.kind == .delimited, let child = message.child(field.number) {
        let before = payloads.count
        let part = try split(bytes, field.value, child, depth: depth + 1)
        if payloads.count > before {
          out.append(contentsOf: bytes[pending])
          Wire.appendTag(field.number, .delimited, to: &out)
          Wire.appendVarint(UInt64(part.count), to: &out)
          out.append(contentsOf: part)
          pending = field.whole.upperBound..<field.whole.upperBound
          continue
        }
      }
      pending = pending.lowerBound..<field.whole.upperBound
    }
    out.append(contentsOf: bytes[pending])
    return out
  }

  /// A tensor's data goes out when it is one large run of little-endian numbers: `raw_data`, or
  /// packed floats or doubles, whose bytes are the same.
  private mutating func splitTensor(
    _ bytes: UnsafeRawBufferPointer, _ range: Range<Int>
  ) throws(Wire.Malformed) -> [UInt8] {
    var data: [Wire.Field] = []
    var fields = Wire.Fields(bytes, in: range)
    while let field = try fields.next() {
      if [4, 10, Wire.rawDataField].contains(field.number) { data.append(field) }
      guard field.number != Wire.payloadField else {
        throw Wire.Malformed(offset: field.whole.lowerBound)
      }
    }
    guard let field = data.first, data.count == 1, field.kind == .delimited,
      field.value.count >= PayloadSplitter.threshold
    else { return [] }
    var out = Array(bytes[range.lowerBound..<field.whole.lowerBound])
    Wire.appendTag(Wire.payloadField, .varint, to: &out)
    Wire.appendVarint(UInt64(payloads.count), to: &out)
    out.append(contentsOf: bytes[field.whole.upperBound..<range.upperBound])
    payloads.append(field.value)
    return out
  }
}
