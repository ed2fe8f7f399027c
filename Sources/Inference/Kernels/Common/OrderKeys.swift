import CKernels
import ModelGraph

extension Float {
  @inline(__always) var orderKey: UInt64 {
    if isNaN { return UInt64(UInt32.max) }
    let bits = (self + 0).bitPattern
    return UInt64(bits >> 31 == 1 ? ~bits : bits | 1 << 31)
  }
}
extension Double {
  @inline(__always) var orderKey: UInt64 {
    if isNaN { return .max }
    let bits = (self + 0).bitPattern
    return bits >> 63 == 1 ? ~bits : bits | 1 << 63
  }
}
extension NumberElement where Self: FixedWidthInteger {
  @inline(__always) var orderKey: UInt64 {
    Self.isSigned
      ? UInt64(bitPattern: Int64(truncatingIfNeeded: self)) &+ 1 << 63
      : UInt64(truncatingIfNeeded: self)
  }
}

extension ElementType {
  /// The number type whose order is this type's: truth values are bytes.
  var ordered: ElementType { self == .bool ? .uint8 : self }
}

/// Fills in the keys of all elements.
struct OrderKeys: NumberVisitor {
  let tensor: Tensor
  let keys: UnsafeMutableBufferPointer<UInt64>

  /// Keys of a tensor's elements, strings ordered by their bytes. They live until the node ends.
  static func of(_ tensor: Tensor, _ context: RunContext) throws -> UnsafeBufferPointer<UInt64> {
    let keys = try context.scratch(UInt64.self, tensor.count)
    if tensor.elementType == .string {
      rank(tensor.elements(UInt64.self), into: keys)
    } else {
      let wide = try tensor.widened(context)
      try wide.elementType.ordered.visitNumber(OrderKeys(tensor: wide, keys: keys))
    }
    return UnsafeBufferPointer(keys)
  }

  func visit<Element: NumberElement>(_ type: Element.Type) throws {
    let values = tensor.elements(type)
    for place in 0..<values.count { keys[place] = values[place].orderKey }
  }

  private static func rank(
    _ numbers: UnsafeBufferPointer<UInt64>, into keys: UnsafeMutableBufferPointer<UInt64>
  ) {
    let strings = Set(numbers).map { (number: $0, bytes: StringTable.string($0)) }
    let sorted = strings.sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }
    let ranks = Dictionary(
      uniqueKeysWithValues: sorted.enumerated().map { ($1.number, UInt64($0)) })
    for place in 0..<numbers.count { keys[place] = ranks[numbers[place]] ?? 0 }
  }
}

extension RunContext {
  /// Memory for pairs of a key and a place, kept until the running node ends.
  func pairs(_ count: Int) throws -> UnsafeMutablePointer<gs_pair> {
    try allocate(.uint64, [count, 2]).target.bindMemory(to: gs_pair.self, capacity: count)
  }
}
