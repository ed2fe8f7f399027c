/// The format's entropy code: a table-based asymmetric numeral system (Duda, arXiv 1311.2540) over
/// the distinct integers of a tensor, each with the real number it stands for.
public enum EntropyCode {
  /// Codes integers.
  ///
  /// - Parameters:
  ///   - integers: the elements.
  ///   - number: the real number that an integer stands for.
  /// - Returns: nil for no elements, and for more distinct ones than the format's tables take.
  /// - Complexity: O(elements + 65,536).
  public static func encode(_ integers: [Int16], number: (Int16) -> Float) -> CodedWeights? {
    guard let stream = EntropyStream(integers) else { return nil }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(byteCount(distinct: stream.values.count, bits: stream.bitCount))
    bytes.put(UInt16(stream.values.count))
    bytes.put(UInt16(stream.table.log))
    bytes.put(UInt32(stream.bitCount / 64 + 1))
    for frequency in stream.table.frequencies { bytes.put(UInt32(frequency)) }
    bytes.pad(to: 8)
    for value in stream.values { bytes.put(number(value).bitPattern) }
    bytes.pad(to: 8)
    for word in stream.words { bytes.put(word) }
    bytes.append(UInt8(stream.bitCount % 64))
    return CodedWeights(compression: .entropy, bytes: bytes)
  }

  /// Bytes that elements with these counts take, almost exactly; nil where they have no code.
  ///
  /// - Complexity: O(distinct integers).
  public static func byteCount(of counts: [Int]) -> Int? {
    guard let table = EntropyTable(counts) else { return nil }
    return byteCount(distinct: counts.count, bits: Int(table.bitCount(of: counts)) + table.log)
  }

  private static func byteCount(distinct: Int, bits: Int) -> Int {
    let tables = (8 + 4 * distinct + 7) / 8 * 8 + (4 * distinct + 7) / 8 * 8
    return tables + (bits / 64 + 1) * 8 + 1
  }
}

extension [UInt8] {
  fileprivate mutating func put(_ value: some FixedWidthInteger) {
    Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
  }

  fileprivate mutating func pad(to unit: Int) {
    while count % unit != 0 { append(0) }
  }
}
