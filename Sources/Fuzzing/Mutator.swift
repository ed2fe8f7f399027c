import Support

/// Damages inputs in the ways that find weak parsers: flipped bits, extreme bytes and lengths, cuts,
/// repeats, and pieces of other inputs.
public struct Mutator {
  private var random: SplitMix64

  /// Mutations of that seed.
  public init(seed: UInt64) { random = SplitMix64(seed: seed) }

  /// A damaged copy of one of `corpus`, after one to eight mutations.
  public mutating func mutate(_ corpus: [[UInt8]]) -> [UInt8] {
    var bytes = corpus.randomElement(using: &random) ?? []
    for _ in 0..<Int.random(in: 1...8, using: &random) { step(&bytes, corpus) }
    return bytes
  }

  private mutating func step(_ bytes: inout [UInt8], _ corpus: [[UInt8]]) {
    guard !bytes.isEmpty else {
      bytes = [UInt8.random(in: 0...255, using: &random)]
      return
    }
    let position = Int.random(in: 0..<bytes.count, using: &random)
    switch Int.random(in: 0..<9, using: &random) {
    case 0: bytes[position] ^= 1 << UInt8.random(in: 0..<8, using: &random)
    case 1: bytes[position] = [0, 1, 0x7f, 0x80, 0xff].randomElement(using: &random) ?? 0
    case 2: bytes[position] = UInt8.random(in: 0...255, using: &random)
    case 3: bytes.removeSubrange(position...)
    case 4: bytes.removeSubrange(position..<min(bytes.count, position + length()))
    case 5:
      let piece = bytes[position..<min(bytes.count, position + length())]
      bytes.insert(contentsOf: Array(piece), at: Int.random(in: 0...bytes.count, using: &random))
    case 6:
      let other = corpus.randomElement(using: &random) ?? []
      guard !other.isEmpty else { return }
      let start = Int.random(in: 0..<other.count, using: &random)
      bytes.insert(contentsOf: other[start..<min(other.count, start + length())], at: position)
    case 7:
      let varint: [UInt8] =
        [
          [0xff, 0xff, 0xff, 0xff, 0x07], [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
          [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
          [0x80, 0x80, 0x80, 0x80, 0x10],
        ].randomElement(using: &random) ?? []
      bytes.replaceSubrange(position..<min(bytes.count, position + varint.count), with: varint)
    default:
      let other = Int.random(in: 0..<bytes.count, using: &random)
      bytes.swapAt(position, other)
    }
  }

  private mutating func length() -> Int { 1 << Int.random(in: 0..<9, using: &random) }
}
