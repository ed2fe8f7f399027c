import Support

/// Every string that ran through an engine, once each, by number. A string tensor's elements are
/// these numbers, so that moving, comparing for equality and gathering need no code of their own.
///
/// Numbers are never taken back: strings are vocabulary, few and small.
enum StringTable {
  private struct State {
    var strings: [[UInt8]] = []
    var numbers: [[UInt8]: UInt64] = [:]
  }
  private static let state = Guarded(State())

  /// The number of a string.
  static func number(of string: [UInt8]) -> UInt64 {
    state.withLock { state in
      if let known = state.numbers[string] { return known }
      let number = UInt64(state.strings.count)
      state.strings.append(string)
      state.numbers[string] = number
      return number
    }
  }

  /// The string of a number; empty for one that was never given out.
  static func string(_ number: UInt64) -> [UInt8] {
    state.withLock { state in
      number < UInt64(state.strings.count) ? state.strings[Int(number)] : []
    }
  }
}
