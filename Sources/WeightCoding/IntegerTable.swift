import CKernels

/// Tables over all integers of 16 bits.
enum IntegerTable {
  static let size = 1 << 16
  /// The entry of 0.
  static let offset = 1 << 15

  static func counts(of integers: [Int16]) -> [UInt32] {
    var table = [UInt32](repeating: 0, count: size)
    gs_count_integers(integers, integers.count, &table)
    return table
  }
}
