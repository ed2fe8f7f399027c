import Glibc

/// Numbers as people and other programs read them.
public enum NumberText {
  /// `value` with `digits` significant digits, as `printf`'s `%g` writes it; `nan`, `inf`.
  public static func significant(_ value: Double, _ digits: Int) -> String {
    format("%.*g", Int32(digits), value)
  }

  /// `value` with `decimals` digits after the point.
  public static func fixed(_ value: Double, _ decimals: Int) -> String {
    format("%.*f", Int32(decimals), value)
  }

  /// A size: bytes below 1,000, else kB, MB, GB or TB (powers of 1,000) with one decimal.
  public static func bytes(_ count: Int) -> String {
    switch count {
    case ..<1000: "\(count) B"
    case ..<1_000_000: fixed(Double(count) / 1e3, 1) + " kB"
    case ..<1_000_000_000: fixed(Double(count) / 1e6, 1) + " MB"
    case ..<1_000_000_000_000: fixed(Double(count) / 1e9, 2) + " GB"
    default: fixed(Double(count) / 1e12, 2) + " TB"
    }
  }

  /// A count: below 10,000 in full, else thousands or millions.
  public static func count(_ count: Int) -> String {
    switch count {
    case ..<10_000: "\(count)"
    case ..<1_000_000: fixed(Double(count) / 1e3, 1) + " k"
    default: fixed(Double(count) / 1e6, 2) + " M"
    }
  }

  private static func format(_ format: String, _ digits: Int32, _ value: Double) -> String {
    var buffer = [CChar](repeating: 0, count: 400)
    let length = withVaList([digits, value]) { vsnprintf(&buffer, buffer.count, format, $0) }
    return String(
      decoding: buffer.prefix(Int(max(0, length))).map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
