import CKernels

typealias Extent = gs_extent

extension gs_extent {
  /// The extent of no values.
  static var nothing: gs_extent {
    gs_extent(low: .max, high: .min, zeros: 0, not_numbers: 0, infinities: 0)
  }

  /// What these values span.
  init(of elements: UnsafeBufferPointer<Float>) {
    self = .nothing
    if let base = elements.baseAddress { gs_scan_extent(base, elements.count, &self) }
  }

  /// What these values span, and the sum of the finite ones.
  static func withSum(of elements: UnsafeBufferPointer<Float>) -> (extent: gs_extent, sum: Double) {
    var extent = gs_extent.nothing
    var sum = 0.0
    if let base = elements.baseAddress {
      gs_scan_extent_and_sum(base, elements.count, &extent, &sum)
    }
    return (extent, sum)
  }

  /// The smallest and the largest finite value; nil where there is none. Zeros are positive.
  var range: ClosedRange<Float>? {
    guard low <= high else { return nil }
    return (Float(key: low) + 0)...(Float(key: high) + 0)
  }
}

extension Float {
  /// The value with this key: the integer that sorts as the value does.
  init(key: Int32) {
    self.init(bitPattern: UInt32(bitPattern: key ^ ((key >> 31) & .max)))
  }

  /// The integer that sorts as the value does.
  var key: Int32 {
    let bits = Int32(bitPattern: bitPattern)
    return bits ^ ((bits >> 31) & .max)
  }
}
