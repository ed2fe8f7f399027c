/// A size that a file is to have.
public enum SizeTarget: Hashable, Sendable {
  /// Bytes.
  case bytes(Int)
  /// A share of the bytes of the model that is read.
  case share(Double)

  /// Reads `3670224`, `3500KB`, `3.5MB` or `0.2`; nil for anything else. Units are powers of 1024, a
  /// number without unit below 1 is a share.
  public init?(_ text: String) {
    let lower = ByteText.asciiLowercased(text)
    let units: [(suffix: String, factor: Double)] = [
      ("gb", 1_073_741_824), ("mb", 1_048_576), ("kb", 1024), ("b", 1), ("", 1),
    ]
    guard let unit = units.first(where: { lower.hasSuffix($0.suffix) }) else { return nil }
    var digits = Substring(lower.dropLast(unit.suffix.utf8.count))
    while digits.hasSuffix(" ") { digits.removeLast() }
    let isPlain = digits.utf8.allSatisfy { byte in (48...57).contains(byte) || byte == 46 }
    guard isPlain, let number = Double(digits), number > 0, number * unit.factor < 1e15 else {
      return nil
    }
    if unit.suffix.isEmpty, number < 1 {
      self = .share(number)
    } else {
      self = .bytes(Int(number * unit.factor))
    }
  }
}
