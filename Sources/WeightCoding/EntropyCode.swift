import CKernels

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
    let counts = IntegerCounts(integers)
    guard let table = EntropyTable(counts.counts) else { return nil }
    let (symbols, slots) = table.encoderTables()
    var words = [UInt64](repeating: 0, count: (integers.count + 1) * table.log / 64 + 2)
    let bitCount = gs_entropy_encode(
      integers, integers.count, counts.places, symbols, slots, Int32(table.log), &words)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(byteCount(distinct: counts.values.count, bits: bitCount))
    bytes.put(UInt16(counts.values.count))
    bytes.put(UInt16(table.log))
    bytes.put(UInt32(bitCount / 64 + 1))
    for frequency in table.frequencies { bytes.put(UInt32(frequency)) }
    bytes.pad(to: 8)
    for value in counts.values { bytes.put(number(value).bitPattern) }
    bytes.pad(to: 8)
    for word in words[...(bitCount / 64)] { bytes.put(word) }
    bytes.append(UInt8(bitCount % 64))
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
