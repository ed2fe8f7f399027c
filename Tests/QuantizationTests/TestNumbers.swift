/// Repeatable random weights (SplitMix64) for property tests, which print their seed.
struct TestNumbers {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }

  /// Uniform in 0..<1.
  mutating func unit() -> Double { Double(next() >> 11) / Double(1 << 53) }

  mutating func integer(_ range: ClosedRange<Int>) -> Int {
    range.lowerBound + Int(next() % UInt64(range.count))
  }

  /// Bell-shaped weights around an offset.
  mutating func weights(_ count: Int) -> [Float] {
    let scale = unit() * 2 + 0.01
    let offset = unit() - 0.5
    return (0..<count).map { _ in
      Float(((0..<6).reduce(0.0) { sum, _ in sum + unit() } / 6 - 0.5) * scale + offset * 0.2)
    }
  }
}
