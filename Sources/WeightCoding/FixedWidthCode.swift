import CKernels

/// The smallest of the format's forms for integers of a fixed number of bits; of equally small ones
/// the plainest. Its size is known before it is made.
public struct FixedWidthCode {
  /// Bytes of the form.
  public let byteCount: Int
  private let integers: [Int16]
  private let counts: IntegerCounts
  private let bits: Int
  private let form: Form

  private enum Form {
    case plain
    case indexing(width: Int)
    case sparse(SparseCode)
  }

  /// Finds the form.
  ///
  /// - Parameters:
  ///   - integers: the elements, each within `bits` signed bits.
  ///   - counts: how often each occurs.
  ///   - bits: 1 to 16.
  ///   - zeroPoints: the integer that stands for zero in each of the equally large runs of elements
  ///     that the format takes for channels; at least one.
  /// - Complexity: O(elements), where few elements are zero points O(distinct integers).
  public init(
    _ integers: [Int16], _ counts: IntegerCounts, bits: Int, zeroPoints: [Int32]
  ) {
    self.integers = integers
    self.counts = counts
    self.bits = bits
    let plainSize = (bits * integers.count + 7) / 8
    let width = FixedWidthCode.indexWidth(counts.values.count)
    let header = bits + bits * counts.values.count
    let indexed = (header + width * integers.count + 7) / 8
    let least = min(plainSize, indexed)
    let zeros = counts.total(of: Set(zeroPoints))
    let mayBeSparse =
      SparseCode.leastByteCount(integers.count - zeros, entryBits: width, header) < least
    if mayBeSparse, !integers.isEmpty,
      let sparse = SparseCode(
        integers, zeroPoints: zeroPoints, entryBits: width, headerBits: 8 + 32 + header),
      sparse.byteCount < least
    {
      form = .sparse(sparse)
      byteCount = sparse.byteCount
    } else if indexed < plainSize {
      form = .indexing(width: width)
      byteCount = indexed
    } else {
      form = .plain
      byteCount = FixedWidthCode.plainByteCount(integers.count, bits: bits)
    }
  }

  /// Stores the integers.
  ///
  /// - Complexity: O(elements + 65,536); memory for the result alone.
  public func encode() -> CodedWeights {
    switch form {
    case .plain: FixedWidthCode.plain(integers, bits: bits)
    case .sparse(let sparse):
      CodedWeights(compression: .sparse, bytes: sparse.encode(counts, bits: bits, integers))
    case .indexing(let width):
      CodedWeights(
        compression: .indexing,
        bytes: BitStream.bytes(count: byteCount) { stream in
          stream.put(distinct: counts.values, bits: bits)
          gs_bits_put_entries(&stream, integers, integers.count, counts.places, Int32(width))
        })
    }
  }

  /// Bits of an index among that many.
  static func indexWidth(_ count: Int) -> Int {
    count <= 1 ? 0 : Int.bitWidth - (count - 1).leadingZeroBitCount
  }

  /// Stores integers as they are, or as fields of `bits` bits where that isn't 8 or 16.
  ///
  /// - Complexity: O(elements).
  public static func plain(_ integers: [Int16], bits: Int) -> CodedWeights {
    switch bits {
    case 8:
      CodedWeights(
        compression: .none,
        bytes: [UInt8](unsafeUninitializedCapacity: integers.count) { bytes, count in
          count = integers.count
          if let out = bytes.baseAddress { gs_narrow_int16(integers, count, out) }
        })
    case 16:
      CodedWeights(
        compression: .none, bytes: integers.map(\.littleEndian).withUnsafeBytes(Array.init))
    default: CodedWeights(compression: .bitPacking, bytes: fields(integers, bits: bits))
    }
  }

  /// Bytes of that many integers as they are, or as fields; those lie above 8 bits in units of 16-bit
  /// words.
  private static func plainByteCount(_ count: Int, bits: Int) -> Int {
    let unit = bits > 8 ? 16 : 8
    return (bits * count + unit - 1) / unit * (unit / 8)
  }

  /// Fields from the lowest bit on.
  private static func fields(_ integers: [Int16], bits: Int) -> [UInt8] {
    let byteCount = plainByteCount(integers.count, bits: bits)
    return [UInt8](unsafeUninitializedCapacity: byteCount + 8) { bytes, count in
      guard let out = bytes.baseAddress else { return }
      out.initialize(repeating: 0, count: byteCount)
      gs_pack_fields(integers, integers.count, Int32(bits), out)
      count = byteCount
    }
  }
}

/// Elements that aren't their channel's zero point, with the gaps between them.
private struct SparseCode {
  private let zeroPoints: [Int32]
  private let perChannel: Int
  private let entryBits: Int
  private let gapBits: Int
  private let codedCount: Int
  let byteCount: Int

  private static let gapWidths = 2...10

  /// Bytes that so many elements beside zero points take at least, behind `header` bits.
  static func leastByteCount(_ count: Int, entryBits: Int, _ header: Int) -> Int {
    (8 + 32 + header + count * (gapWidths.lowerBound + entryBits) + 7) / 8
  }

  /// Nil where the elements don't divide into channels or are too many to count.
  init?(_ integers: [Int16], zeroPoints: [Int32], entryBits: Int, headerBits: Int) {
    guard !zeroPoints.isEmpty, integers.count % zeroPoints.count == 0 else { return nil }
    self.zeroPoints = zeroPoints
    self.entryBits = entryBits
    perChannel = integers.count / zeroPoints.count
    var forced = [Int](repeating: 0, count: SparseCode.gapWidths.upperBound + 1)
    let others = gs_sparse_count(integers, integers.count, zeroPoints, perChannel, &forced)
    let counts = SparseCode.gapWidths.map { (width: $0, count: others + forced[$0]) }
    guard
      let best = counts.min(by: { first, second in
        first.count * (first.width + entryBits) < second.count * (second.width + entryBits)
      }), best.count <= Int(UInt32.max)
    else { return nil }
    gapBits = best.width
    codedCount = best.count
    byteCount = (headerBits + codedCount * (gapBits + entryBits) + 7) / 8
  }

  func encode(_ counts: IntegerCounts, bits: Int, _ integers: [Int16]) -> [UInt8] {
    BitStream.bytes(count: byteCount) { stream in
      gs_bits_put(&stream, UInt32(gapBits), 8)
      gs_bits_put(&stream, UInt32(codedCount), 32)
      stream.put(distinct: counts.values, bits: bits)
      gs_sparse_put_entries(
        &stream, integers, integers.count, zeroPoints, perChannel, Int32(gapBits), counts.places,
        Int32(entryBits))
      gs_sparse_put_gaps(
        &stream, integers, integers.count, zeroPoints, perChannel, Int32(gapBits))
    }
  }
}

/// Bytes that are filled bit by bit.
private enum BitStream {
  /// Exactly `count` bytes; what `body` puts must fill them up to the last bits.
  static func bytes(count: Int, _ body: (inout gs_bit_stream) -> Void) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: count) { bytes, filled in
      var stream = gs_bit_stream(out: bytes.baseAddress, pending: 0, pending_bits: 0)
      body(&stream)
      gs_bits_finish(&stream)
      filled = count
    }
  }
}

extension gs_bit_stream {
  /// The number of distinct integers, where 0 stands for all there can be, then the integers.
  fileprivate mutating func put(distinct values: [Int16], bits: Int) {
    gs_bits_put(&self, UInt32(truncatingIfNeeded: values.count), Int32(bits))
    for value in values {
      gs_bits_put(&self, UInt32(Int(value) + 1 << (bits - 1)), Int32(bits))
    }
  }
}
