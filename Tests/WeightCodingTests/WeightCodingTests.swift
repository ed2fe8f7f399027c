import Foundation
import Testing
import WeightCoding

/// Streams against those of make_golden.py, the format's own examples among them, and against slow
/// decoders.
@Suite struct WeightCodingTests {
  struct Golden: Decodable, Sendable, CustomTestStringConvertible {
    let name: String
    let values: [Int16]
    let bits: Int
    let zeroPoints: [Int32]
    let best: String
    let forms: [String: String]
    var testDescription: String { name }
  }

  static let golden: [Golden] = {
    let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "golden.json")
    let data = (try? Data(contentsOf: file)) ?? Data()
    return (try? JSONDecoder().decode([Golden].self, from: data)) ?? []
  }()

  private static func hex(_ bytes: [UInt8]) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }

  private static func fixed(
    _ integers: [Int16], bits: Int, zeroPoints: [Int32]
  ) -> CodedWeights {
    let code = FixedWidthCode(
      integers, IntegerCounts(integers), bits: bits, zeroPoints: zeroPoints)
    let coded = code.encode()
    #expect(coded.bytes.count == code.byteCount)
    return coded
  }

  private static func entropy(_ integers: [Int16], number: (Int16) -> Float) -> CodedWeights? {
    EntropyCode.encode(integers, IntegerCounts(integers), number: number)
  }

  @Test func thereAreGoldenStreams() { #expect(Self.golden.count == 29) }

  @Test(arguments: golden)
  func theSmallestFormIsTheScriptsBitForBit(golden: Golden) throws {
    let coded = Self.fixed(golden.values, bits: golden.bits, zeroPoints: golden.zeroPoints)
    let isRaw = coded.compression == .none
    #expect(isRaw == (golden.best == "bitPacking" && (golden.bits == 8 || golden.bits == 16)))
    if isRaw {
      let decoded = ReferenceDecoders.decode(
        coded, bits: golden.bits, count: golden.values.count, zeroPoints: golden.zeroPoints)
      #expect(decoded == golden.values.map(Int.init))
    } else {
      #expect("\(coded.compression)" == golden.best)
      #expect(Self.hex(coded.bytes) == golden.forms[golden.best])
    }
  }

  @Test(arguments: golden)
  func theEntropyCodeIsTheScriptsBitForBit(golden: Golden) throws {
    let zeroPoint = Int32(golden.zeroPoints[0])
    let coded = try #require(
      Self.entropy(golden.values) { 0.5 * Float(Int32($0) - zeroPoint) })
    #expect(coded.compression == .entropy)
    #expect(Self.hex(coded.bytes) == golden.forms["entropy"])
  }

  /// Tensors of every kind: random, constant, of two values, sparse, very wide, tiny.
  static func integers(_ kind: String, bits: Int, count: Int, seed: UInt64) -> [Int16] {
    var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
    func next() -> Int {
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return Int(state >> 16)
    }
    let limit = 1 << (bits - 1)
    return (0..<count).map { index in
      let value =
        switch kind {
        case "random": next() % (2 * limit) - limit
        case "bell": (0..<8).reduce(0) { sum, _ in sum + next() % (2 * limit) - limit } / 8
        case "constant": -limit
        case "two": next() % 2 == 0 ? -limit : limit - 1
        case "sparse": next() % 40 == 0 ? next() % (2 * limit) - limit : 0
        default: (index * 7919) % (2 * limit) - limit
        }
      return Int16(value)
    }
  }

  static let kinds = ["random", "bell", "constant", "two", "sparse", "all"]

  @Test(arguments: kinds, [1, 2, 3, 5, 8, 9, 12, 16])
  func everyFormDecodesToTheSameIntegers(kind: String, bits: Int) {
    for (count, channels) in [(1, 1), (2, 2), (63, 3), (1000, 10), (70_000, 7)] {
      let integers = Self.integers(kind, bits: bits, count: count, seed: UInt64(count + bits))
      let zeroPoints = (0..<channels).map { Int32($0 % 2 == 0 ? 0 : -1) }
      let coded = Self.fixed(integers, bits: bits, zeroPoints: zeroPoints)
      let decoded = ReferenceDecoders.decode(
        coded, bits: bits, count: count, zeroPoints: zeroPoints)
      #expect(decoded == integers.map(Int.init), "\(kind) \(bits) bits \(count)")
      #expect(coded.bytes.count <= (bits * count + 7) / 8 + 1)
      guard let entropy = Self.entropy(integers, number: { Float($0) }) else {
        #expect(Set(integers).count > 1 << 14)
        continue
      }
      let numbers = ReferenceDecoders.entropy(entropy.bytes, count: count)
      #expect(numbers == integers.map { Float($0) }, "\(kind) \(bits) bits \(count)")
    }
  }

  @Test func nothingIsStoredOfNothing() {
    #expect(Self.fixed([], bits: 8, zeroPoints: [0]).bytes.isEmpty)
    #expect(Self.fixed([], bits: 3, zeroPoints: [0]).bytes.isEmpty)
    #expect(Self.entropy([]) { Float($0) } == nil)
  }

  /// Messages that end with their last word full are the decoder's hardest.
  @Test func everyLengthOfMessageDecodes() throws {
    for count in 1...300 {
      let integers = Self.integers("bell", bits: 6, count: count, seed: 9)
      let coded = try #require(Self.entropy(integers) { Float($0) })
      #expect(
        ReferenceDecoders.entropy(coded.bytes, count: count) == integers.map { Float($0) })
    }
  }

  @Test func theSizeIsKnownBeforehand() throws {
    for bits in [3, 6, 9, 13] {
      let integers = Self.integers("bell", bits: bits, count: 50_000, seed: 5)
      let coded = try #require(Self.entropy(integers) { Float($0) })
      let expected = try #require(EntropyCode.byteCount(of: IntegerCounts(integers).counts))
      #expect(abs(coded.bytes.count - expected) <= coded.bytes.count / 500 + 16)
    }
  }

  @Test func packedIntegersAreRead() {
    var integers = [Int16](repeating: 9, count: 4)
    IntegerReader.read([0xFF, 0x80], isWide: false, into: &integers, at: 1)
    #expect(integers == [9, -1, -128, 9])
    IntegerReader.read([0x00, 0x80], isWide: true, into: &integers, at: 3)
    #expect(integers == [9, -1, -128, -32768])
  }

  @Test(arguments: [1, 2, 3, 7, 64])
  func segmentsAreDecodedByThemselves(segments: Int) throws {
    for (count, modulus) in [(1, 5), (2, 5), (6, 2), (63, 7), (64, 7), (1000, 16), (20_000, 128)] {
      let integers = (0..<count).map { Int16(($0 * $0 % 977 + $0 / 3) % modulus - modulus / 2) }
      let stream = try #require(EntropyStream(integers, segments: segments))
      #expect(stream.segmentEnds.count <= segments)
      #expect(ReferenceDecoders.segments(stream, count: count) == integers)
    }
    #expect(EntropyStream([], segments: segments) == nil)
  }
}
