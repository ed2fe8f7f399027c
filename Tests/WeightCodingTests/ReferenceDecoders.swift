import WeightCoding

/// Slow decoders of the forms, written from the format's description; they share nothing with the
/// encoders.
enum ReferenceDecoders {
  /// Bits, the highest of each byte first.
  struct BitReader {
    let bytes: [UInt8]
    var position = 0

    mutating func get(_ width: Int) -> Int {
      var value = 0
      for _ in 0..<width {
        value = value << 1 | Int(bytes[position / 8] >> (7 - position % 8) & 1)
        position += 1
      }
      return value
    }

    mutating func distinct(_ bits: Int) -> [Int] {
      let count = get(bits)
      return (0..<(count == 0 ? 1 << bits : count)).map { _ in get(bits) - 1 << (bits - 1) }
    }
  }

  static func width(_ count: Int) -> Int {
    var width = 0
    while 1 << width < count { width += 1 }
    return width
  }

  static func decode(
    _ coded: CodedWeights, bits: Int, count: Int, zeroPoints: [Int32]
  ) -> [Int] {
    switch coded.compression {
    case .none where bits == 8: coded.bytes.map { Int(Int8(bitPattern: $0)) }
    case .none:
      stride(from: 0, to: coded.bytes.count, by: 2).map {
        Int(Int16(bitPattern: UInt16(coded.bytes[$0]) | UInt16(coded.bytes[$0 + 1]) << 8))
      }
    case .bitPacking: fields(coded.bytes, bits, count)
    case .indexing: indexed(coded.bytes, bits, count)
    case .sparse: sparse(coded.bytes, bits, count, zeroPoints)
    case .entropy: []
    }
  }

  private static func fields(_ bytes: [UInt8], _ bits: Int, _ count: Int) -> [Int] {
    (0..<count).map { element in
      (0..<bits).reduce(-(1 << (bits - 1))) { value, bit in
        let place = element * bits + bit
        return value + Int(bytes[place / 8] >> (place % 8) & 1) << bit
      }
    }
  }

  private static func indexed(_ bytes: [UInt8], _ bits: Int, _ count: Int) -> [Int] {
    var reader = BitReader(bytes: bytes)
    let distinct = reader.distinct(bits)
    return (0..<count).map { _ in distinct[reader.get(width(distinct.count))] }
  }

  private static func sparse(
    _ bytes: [UInt8], _ bits: Int, _ count: Int, _ zeroPoints: [Int32]
  ) -> [Int] {
    var reader = BitReader(bytes: bytes)
    let gapBits = reader.get(8)
    let codedCount = reader.get(32)
    let distinct = reader.distinct(bits)
    let entries = (0..<codedCount).map { _ in distinct[reader.get(width(distinct.count))] }
    var values = (0..<count).map { Int(zeroPoints[$0 / (count / zeroPoints.count)]) }
    var place = -1
    for entry in entries {
      place += reader.get(gapBits) + 1
      values[place] = entry
    }
    return values
  }

  /// The integers of a stream, each segment decoded by itself from its end.
  static func segments(_ stream: EntropyStream, count: Int) -> [Int16] {
    let table = stream.decoderTable
    let bits = stream.words.enumerated().flatMap { index, word in
      let used = index < stream.bitCount / 64 ? 64 : stream.bitCount % 64
      return (0..<used).map { Int(word >> (63 - UInt64($0)) & 1) }
    }
    let length = (count + stream.segmentEnds.count - 1) / stream.segmentEnds.count
    var found = [Int16](repeating: 0, count: count)
    for (segment, end) in stream.segmentEnds.enumerated() {
      var place = Int(end >> 32) * 64 + Int(end & 0xFFFF)
      var state = Int(end >> 16 & 0xFFFF) - 1 << stream.tableLog
      for index in (segment * length..<min(count, (segment + 1) * length)).reversed() {
        found[index] = stream.values[Int(table.symbols[state])]
        if index == 0 { break }
        let width = Int(table.bitCounts[state])
        let added = bits[place - width..<place].reduce(0) { $0 << 1 | $1 }
        place -= width
        state = Int(table.baselines[state]) + added
      }
    }
    return found
  }

  /// The real numbers of an entropy code, decoded from the last to the first.
  static func entropy(_ bytes: [UInt8], count: Int) -> [Float] {
    func word(_ at: Int, _ size: Int) -> UInt64 {
      (0..<size).reduce(0) { $0 | UInt64(bytes[at + $1]) << UInt64(8 * $1) }
    }
    let symbolCount = Int(word(0, 2))
    let log = Int(word(2, 2))
    let words = Int(word(4, 4))
    let frequencies = (0..<symbolCount).map { Int(word(8 + 4 * $0, 4)) }
    var at = (8 + 4 * symbolCount + 7) / 8 * 8
    let numbers = (0..<symbolCount).map { Float(bitPattern: UInt32(word(at + 4 * $0, 4))) }
    at = (at + 4 * symbolCount + 7) / 8 * 8
    var stack: [UInt8] = []
    for index in 0..<words {
      let used = index + 1 < words ? 64 : Int(bytes[at + 8 * words])
      let bits = word(at + 8 * index, 8)
      stack += (0..<used).map { UInt8(bits >> UInt64(63 - $0) & 1) }
    }
    func pop(_ width: Int) -> Int {
      let field = stack.suffix(width).reduce(0) { $0 << 1 | Int($1) }
      stack.removeLast(width)
      return field
    }
    let states = 1 << log
    var table = [Int](repeating: 0, count: states)
    var place = 0
    for (symbol, frequency) in frequencies.enumerated() {
      for _ in 0..<frequency {
        table[place] = symbol
        place = (place + states / 2 + states / 8 + 3) % states
      }
    }
    var seen = frequencies
    let steps = table.map { symbol -> (symbol: Int, width: Int, base: Int) in
      var width = 0
      while seen[symbol] << (width + 1) < 2 * states { width += 1 }
      seen[symbol] += 1
      return (symbol, width, (seen[symbol] - 1) << width - states)
    }
    var state = pop(log)
    var values: [Float] = []
    for index in 0..<count {
      let step = steps[state]
      values.append(numbers[step.symbol])
      if index + 1 < count { state = step.base + pop(step.width) }
    }
    return values.reversed()
  }
}
