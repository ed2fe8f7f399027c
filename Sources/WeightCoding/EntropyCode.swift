/// The format's entropy code: a table-based asymmetric numeral system (Duda, arXiv 1311.2540) over
/// the distinct integers of a tensor, each with the real number it stands for.
public enum EntropyCode {
  /// Codes integers.
  ///
  /// - Parameters:
  ///   - integers: the elements.
  ///   - counts: how often each occurs.
  ///   - number: the real number that an integer stands for.
  /// - Returns: nil for no elements, and for more distinct ones than the format's tables take.
  /// - Complexity: O(elements + 65,536); memory for the result alone.
  public static func encode(
    _ integers: [Int16], _ counts: IntegerCounts, number: (Int16) -> Float
  ) -> CodedWeights? {
    guard let table = EntropyTable(counts.counts) else { return nil }
    let header = header(table, counts, number)
    let limit = header.count + 8 * table.wordLimit(of: counts.counts) + 1
    let bytes = [UInt8](unsafeUninitializedCapacity: limit) { bytes, count in
      guard let base = bytes.baseAddress else { return }
      _ = bytes.initialize(from: header)
      let words = UnsafeMutableRawPointer(base + header.count)
        .bindMemory(to: UInt64.self, capacity: (limit - header.count) / 8)
      var ends: [UInt64] = [0]
      let bits = table.encode(integers, counts, segment: integers.count, into: words, &ends)
      let wordCount = bits / 64 + 1
      for index in 0..<wordCount { words[index] = words[index].littleEndian }
      UnsafeMutableRawPointer(base)
        .storeBytes(of: UInt32(wordCount).littleEndian, toByteOffset: 4, as: UInt32.self)
      count = header.count + 8 * wordCount + 1
      base[count - 1] = UInt8(bits % 64)
    }
    return CodedWeights(compression: .entropy, bytes: bytes)
  }

  /// What stands in front of the words, their number left open.
  private static func header(
    _ table: EntropyTable, _ counts: IntegerCounts, _ number: (Int16) -> Float
  ) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.put(UInt16(counts.values.count))
    bytes.put(UInt16(table.log))
    bytes.put(UInt32(0))
    for frequency in table.frequencies { bytes.put(UInt32(frequency)) }
    bytes.pad(to: 8)
    for value in counts.values { bytes.put(number(value).bitPattern) }
    bytes.pad(to: 8)
    return bytes
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
