/// A small generator of repeatable random numbers (Steele, Lea, Flood 2014).
public struct SplitMix64: RandomNumberGenerator {
  private var state: UInt64

  /// Starts the sequence of that seed.
  public init(seed: UInt64) { state = seed }

  /// The next 64 bits.
  public mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }

  /// A number evenly spread over 0..<1, in steps of 2^-53.
  public mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }
}
