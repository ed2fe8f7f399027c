/// The kinds of conversion that a key steers.
public struct Scope: OptionSet, Hashable, Sendable {
  /// The bits.
  public let rawValue: UInt8

  /// Makes a set from its bits.
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// WEIGHT_QUANT with one bit width.
  public static let fixedBit = Scope(rawValue: 1)
  /// WEIGHT_QUANT with bit_num=0.
  public static let mixedBit = Scope(rawValue: 2)
  /// FULL_QUANT.
  public static let full = Scope(rawValue: 4)
  /// DYNAMIC_QUANT.
  public static let dynamic = Scope(rawValue: 8)
  /// A weight quantization that looks at samples.
  public static let sampledWeight = Scope(rawValue: 16)
  /// WEIGHT_QUANT with any bit width.
  public static let weight: Scope = [.fixedBit, .mixedBit]
  /// Every conversion.
  public static let any: Scope = [.weight, .full, .dynamic, .sampledWeight]

  /// The scope in words, for the manual.
  var summary: String {
    if isSuperset(of: .any) { return "all" }
    var words: [String] = []
    if isSuperset(of: .weight) {
      words.append("WEIGHT_QUANT")
    } else if contains(.fixedBit) {
      words.append("WEIGHT_QUANT, bit_num 1-16")
    } else if contains(.mixedBit) {
      words.append("WEIGHT_QUANT, bit_num=0")
    }
    if contains(.full) { words.append("FULL_QUANT") }
    if contains(.dynamic) { words.append("DYNAMIC_QUANT") }
    if contains(.sampledWeight), !isSuperset(of: .weight) {
      words.append("WEIGHT_QUANT with GPTQ, auto_tune, a target or debug_info_save_path")
    }
    return words.joined(separator: "; ")
  }
}
