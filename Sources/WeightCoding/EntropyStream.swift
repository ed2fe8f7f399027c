import CKernels

/// Integers in the format's entropy code, with what a decoder has to know of it.
public struct EntropyStream: Sendable {
  /// What a decoder does in each state: where the next one is counted from, how many bits are added
  /// to that, and which of the distinct integers is next.
  public struct DecoderTable: Sendable {
    /// The next state without its added bits.
    public let baselines: [UInt16]
    /// Bits that are added.
    public let bitCounts: [UInt8]
    /// The place of the integer among the distinct ones.
    public let symbols: [UInt16]
  }

  /// The distinct integers, ascending.
  public let values: [Int16]
  /// Words of 64 bits, the last of them not full, its bits at the high end.
  public let words: [UInt64]
  /// Bits in all words.
  public let bitCount: Int
  /// Where decoding of each segment starts, which goes from its end to its start: the number of full
  /// words, then 16 bits of state, then 16 bits for the bits in the next word.
  public let segmentEnds: [UInt64]
  let table: EntropyTable

  /// The binary logarithm of the number of states.
  public var tableLog: Int { table.log }

  /// Codes integers.
  ///
  /// - Parameter segments: the most segments that are to be decoded independently; at least one.
  /// - Returns: nil for no elements, and for more distinct ones than the format's tables take.
  /// - Complexity: O(elements + 65,536).
  public init?(_ integers: [Int16], segments: Int = 1) {
    let counts = IntegerCounts(integers)
    guard let table = EntropyTable(counts.counts), segments > 0 else { return nil }
    let length = (integers.count + segments - 1) / segments
    var ends = [UInt64](repeating: 0, count: (integers.count + length - 1) / length)
    var bitCount = 0
    words = [UInt64](unsafeUninitializedCapacity: table.wordLimit(of: counts.counts)) {
      words, count in
      guard let base = words.baseAddress else { return }
      bitCount = table.encode(integers, counts, segment: length, into: base, &ends)
      count = bitCount / 64 + 1
    }
    self.bitCount = bitCount
    values = counts.values
    segmentEnds = ends
    self.table = table
  }

  /// The decoder's table.
  ///
  /// - Complexity: O(states).
  public var decoderTable: DecoderTable {
    let states = 1 << table.log
    let symbols = table.symbols()
    var seen = table.frequencies
    var baselines = [UInt16](repeating: 0, count: states)
    var bitCounts = [UInt8](repeating: 0, count: states)
    for (position, symbol) in symbols.enumerated() {
      let bits = table.log - (Int.bitWidth - 1 - seen[symbol].leadingZeroBitCount)
      baselines[position] = UInt16(seen[symbol] << bits - states)
      bitCounts[position] = UInt8(bits)
      seen[symbol] += 1
    }
    return DecoderTable(
      baselines: baselines, bitCounts: bitCounts, symbols: symbols.map { UInt16($0) })
  }
}
