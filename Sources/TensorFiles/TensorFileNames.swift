/// Gives tensors file names: what isn't a letter, a digit or one of `._-` becomes `_`, and no two
/// names differ in case only.
public struct TensorFileNames: Sendable {
  private var taken: Set<String> = []

  /// No names taken yet.
  public init() {}

  /// A new name for a tensor's file.
  public mutating func name(for tensor: String) -> String {
    var stem = String(
      decoding: tensor.utf8.prefix(180).map { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"),
          UInt8(ascii: "-"):
          byte
        default: UInt8(ascii: "_")
        }
      }, as: UTF8.self)
    if stem.isEmpty || stem.hasPrefix(".") || stem.hasPrefix("-") { stem = "_" + stem }
    var candidate = stem
    var number = 2
    while !taken.insert(candidate.lowercased()).inserted {
      candidate = "\(stem)_\(number)"
      number += 1
    }
    return candidate + ".npy"
  }
}
