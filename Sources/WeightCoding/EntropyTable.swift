import CKernels
import Glibc

/// How often each symbol stands in a table of 2^log states.
struct EntropyTable {
  /// Bits of a state.
  let log: Int
  /// States of each symbol, at least 1; their sum is 2^log.
  let frequencies: [Int]

  /// Decoders keep states in 16 bits; with 2^16 of them they would overflow.
  private static let greatestLog = 15
  /// A larger table has to save more than this.
  private static let leastSaving = 128.0

  /// The smallest table that codes these counts well; nil for no symbols and for too many.
  init?(_ counts: [Int]) {
    let symbolCount = counts.count
    guard symbolCount > 0, symbolCount <= 1 << (EntropyTable.greatestLog - 1) else { return nil }
    let usual = min(
      EntropyTable.greatestLog, Int.bitWidth - 1 - symbolCount.leadingZeroBitCount + 4)
    var best = EntropyTable(counts, log: usual)
    var least = best.bitCount(of: counts)
    for log in usual + 1..<max(usual + 1, min(EntropyTable.greatestLog, usual + 4) + 1) {
      let table = EntropyTable(counts, log: log)
      let bits = table.bitCount(of: counts)
      if bits < least - EntropyTable.leastSaving { (best, least) = (table, bits) }
    }
    self = best
  }

  private init(_ counts: [Int], log: Int) {
    self.log = log
    let states = 1 << log
    let total = Float(counts.reduce(0, +))
    var frequencies = counts.map {
      max(1, Int((0.5 + Float($0) * Float(states) / total).rounded(.down)))
    }
    let excess = frequencies.reduce(0, +) - states
    if excess > 0 {
      EntropyTable.lower(&frequencies, by: excess)
    } else if let greatest = frequencies.max(),
      let first = frequencies.firstIndex(of: greatest)
    {
      frequencies[first] -= excess
    }
    self.frequencies = frequencies
  }

  /// What taking 1 from the first greatest number does, `excess` times.
  private static func lower(_ numbers: inout [Int], by excess: Int) {
    var level = 1
    var above = numbers.max() ?? 1
    while level < above {
      let middle = (level + above) / 2
      let taken = numbers.reduce(0) { $0 + max(0, $1 - middle) }
      if taken <= excess { above = middle } else { level = middle + 1 }
    }
    var rest = excess - numbers.reduce(0) { $0 + max(0, $1 - level) }
    for index in numbers.indices where numbers[index] >= level {
      numbers[index] = rest > 0 ? level - 1 : level
      rest -= 1
    }
  }

  /// Bits of a message with these counts, without the last state.
  func bitCount(of counts: [Int]) -> Double {
    zip(counts, frequencies).reduce(0) { sum, pair in
      sum + Double(pair.0) * (Double(log) - log2(Double(pair.1)))
    }
  }

  /// Words of 64 bits that a message with these counts fills at most.
  func wordLimit(of counts: [Int]) -> Int {
    let bits = zip(counts, frequencies).reduce(log) { $0 + $1.0 * mostBits($1.1) }
    return bits / 64 + 2
  }

  /// Bits that a symbol with so many states adds to a message at most.
  private func mostBits(_ frequency: Int) -> Int {
    frequency < 2 ? log : log - (Int.bitWidth - 1 - (frequency - 1).leadingZeroBitCount)
  }

  /// Codes integers whose distinct ones the table is for.
  ///
  /// - Parameters:
  ///   - segment: integers of a segment.
  ///   - words: room for `wordLimit` words.
  ///   - ends: room for the state at each segment's end.
  /// - Returns: the bits of all words; of the last word those at its high end.
  /// - Complexity: O(integers + states).
  func encode(
    _ integers: [Int16], _ counts: IntegerCounts, segment: Int,
    into words: UnsafeMutablePointer<UInt64>, _ ends: inout [UInt64]
  ) -> Int {
    let (symbols, slots) = encoderTables()
    return gs_entropy_encode(
      integers, integers.count, counts.places, symbols, slots, Int32(log), words, segment, &ends)
  }

  /// The symbol of each state.
  func symbols() -> [Int] {
    let states = 1 << log
    var symbolAt = [Int](repeating: 0, count: states)
    var position = 0
    for (symbol, frequency) in frequencies.enumerated() {
      for _ in 0..<frequency {
        symbolAt[position] = symbol
        position = (position + states / 2 + states / 8 + 3) & (states - 1)
      }
    }
    return symbolAt
  }

  /// The tables of `gs_entropy_encode`.
  private func encoderTables() -> (symbols: [gs_entropy_symbol], slots: [UInt16]) {
    let states = 1 << log
    var starts: [Int] = []
    var start = 0
    for frequency in frequencies {
      starts.append(start)
      start += frequency
    }
    let symbolAt = self.symbols()
    var slots = [UInt16](repeating: 0, count: states)
    var next = starts
    for (position, symbol) in symbolAt.enumerated() {
      slots[next[symbol]] = UInt16(states + position)
      next[symbol] += 1
    }
    let symbols = zip(frequencies, starts).map { frequency, start in
      let most = mostBits(frequency)
      let threshold = frequency < 2 ? states : frequency << most
      return gs_entropy_symbol(
        bits_bias: UInt32(most << 16 - threshold), slot_bias: Int32(start - frequency))
    }
    return (symbols, slots)
  }
}
