import Statistics

/// Repeatable random numbers (SplitMix64); property tests print their seed.
struct TestData: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  /// One with a seed of its own, which is printed.
  static func printed(_ name: String = #function) -> TestData {
    let seed = UInt64.random(in: 0 ... .max)
    print("\(name): seed \(seed)")
    return TestData(seed: seed)
  }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }

  /// Bell-shaped, from -2 to 2.
  mutating func bell() -> Double {
    let word = next()
    let sum = (0..<4).reduce(0) { $0 + Int(word >> (16 * UInt64($1)) & 0xffff) }
    return Double(sum - 131_070) / 65536
  }

  mutating func bells(_ count: Int) -> [Double] { (0..<count).map { _ in bell() } }

  /// Any bits: mostly finite values of all magnitudes.
  mutating func anything(_ count: Int) -> [Float] {
    (0..<count).map { _ in Float(bitPattern: UInt32(truncatingIfNeeded: next())) }
  }

  /// One of several shapes of activations.
  mutating func activations(_ count: Int) -> [Float] {
    let shape = Int.random(in: 0..<7, using: &self)
    let scale = Double(
      sign: .plus, exponent: Int.random(in: -20...20, using: &self), significand: 1)
    return bells(count).map { value in
      switch shape {
      case 0: Float(value * scale)
      case 1: Float(max(0, value) * scale)
      case 2: Float(value * value * value * scale)
      case 3: Float(min(max(value, -0.25), 0.25) * scale)
      case 4: Float((value * 4).rounded() * scale)
      case 5: Float((value - 3) * scale)
      default: abs(value) > 1.9 ? Float(value * 40 * scale) : Float(max(0, value) * scale)
      }
    }
  }

  /// The data sets of make_golden.py by name.
  static func golden(_ name: String) -> [Float] {
    let count = 20000
    func bells(_ seed: UInt64) -> [Double] {
      var data = TestData(seed: seed)
      return data.bells(count)
    }
    let values: [Double] =
      switch name {
      case "bell": bells(1)
      case "rectified": bells(2).map { max($0 - 0.25, 0) }
      case "heavy": bells(3).map { $0 * $0 * $0 * 8 }
      case "outlier":
        bells(4).enumerated().map { $0 == 7 ? 50 : $0 == 12345 ? -31 : $1 }
      case "ties": (0..<count).map { Double($0 * 7 % 17) * 0.25 - 1.25 }
      case "negative": bells(5).map { abs($0) * -3 }
      case "lopsided": bells(6).map { $0 < 0 ? $0 * 0.125 : $0 * 4 }
      default: []
      }
    return values.map { Float($0) }
  }
}

extension TensorStatistics {
  /// Of samples in their order.
  init(_ samples: [[Float]], _ request: StatisticsRequest, _ arrangement: ChannelArrangement? = nil)
  {
    self.init()
    for sample in samples {
      merge(
        sample.withUnsafeBufferPointer {
          TensorStatistics(sample: $0, arrangement: arrangement, request: request)
        })
    }
  }
}

extension Array {
  /// Cuts into so many parts of about equal size.
  func parts(_ number: Int) -> [[Element]] {
    (0..<number).map { Array(self[count * $0 / number..<count * ($0 + 1) / number]) }
  }
}

/// Whether two numbers agree to a relative error.
func agree(_ first: Double, _ second: Double, _ tolerance: Double) -> Bool {
  first == second || abs(first - second) <= tolerance * max(abs(first), abs(second))
}
