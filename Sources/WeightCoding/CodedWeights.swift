/// How a tensor of integers lies in a `.ms` file; the raw values are the format's.
public enum WeightCompression: Int, Hashable, Sendable {
  /// Integers of 8 or 16 bits as they are.
  case none = 0
  /// The distinct integers, then for each element which one it is.
  case indexing = 1
  /// The same for elements that aren't zero points, with the distances between them.
  case sparse = 2
  /// An entropy code over real numbers.
  case entropy = 3
  /// Fields of as many bits as the integers have.
  case bitPacking = 4
}

/// A tensor's elements as they lie in a file.
public struct CodedWeights: Hashable, Sendable {
  /// How they lie there.
  public var compression: WeightCompression
  /// The file's bytes.
  public var bytes: [UInt8]

  /// States coded elements.
  public init(compression: WeightCompression, bytes: [UInt8]) {
    self.compression = compression
    self.bytes = bytes
  }
}

/// The distinct integers of a tensor, ascending, and how often each occurs.
public struct IntegerCounts: Hashable, Sendable {
  /// The distinct integers, ascending.
  public let values: [Int16]
  /// How often each occurs; never 0.
  public let counts: [Int]

  /// Counts integers.
  ///
  /// - Complexity: O(elements + 65,536).
  public init(_ integers: [Int16]) {
    let table = IntegerTable.counts(of: integers)
    let found = table.indices.filter { table[$0] > 0 }
    values = found.map { Int16($0 - IntegerTable.offset) }
    counts = found.map { Int(table[$0]) }
  }

  /// States counts.
  ///
  /// - Precondition: ascending values, as many counts, none of them 0.
  public init(values: [Int16], counts: [Int]) {
    self.values = values
    self.counts = counts
  }

  /// How often integers of a set occur.
  func total(of set: Set<Int32>) -> Int {
    zip(values, counts).reduce(0) { set.contains(Int32($1.0)) ? $0 + $1.1 : $0 }
  }

  /// Bits that the integers need, signed; 1 for none.
  public var bits: Int {
    let magnitude = max(Int(values.last ?? 0), -1 - Int(values.first ?? 0))
    return max(1, Int.bitWidth - max(0, magnitude).leadingZeroBitCount + 1)
  }

  /// The place of each integer among the distinct ones, in a table over all integers.
  var places: [UInt16] {
    var table = [UInt16](repeating: 0, count: IntegerTable.size)
    for (place, value) in values.enumerated() {
      table[Int(value) + IntegerTable.offset] = UInt16(place)
    }
    return table
  }
}
