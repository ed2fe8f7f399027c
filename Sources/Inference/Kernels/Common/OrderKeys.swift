import CKernels
import ModelGraph

/// A number type whose order unsigned integers can stand for.
protocol OrderedElement: NumberElement {
  /// Less for lesser numbers, equal for equal ones; that of NaN is greater than all others.
  var orderKey: UInt64 { get }
}

extension Float: OrderedElement {
  @inline(__always) var orderKey: UInt64 {
    if isNaN { return UInt64(UInt32.max) }
    let bits = (self + 0).bitPattern
    return UInt64(bits >> 31 == 1 ? ~bits : bits | 1 << 31)
  }
}
extension Double: OrderedElement {
  @inline(__always) var orderKey: UInt64 {
    if isNaN { return .max }
    let bits = (self + 0).bitPattern
    return bits >> 63 == 1 ? ~bits : bits | 1 << 63
  }
}
extension OrderedElement where Self: FixedWidthInteger {
  @inline(__always) var orderKey: UInt64 {
    Self.isSigned
      ? UInt64(bitPattern: Int64(truncatingIfNeeded: self)) &+ 1 << 63
      : UInt64(truncatingIfNeeded: self)
  }
}
extension Int8: OrderedElement {}
extension Int16: OrderedElement {}
extension Int32: OrderedElement {}
extension Int64: OrderedElement {}
extension UInt8: OrderedElement {}
extension UInt16: OrderedElement {}
extension UInt32: OrderedElement {}
extension UInt64: OrderedElement {}

/// Work that is written once for all number types that are sorted.
protocol OrderVisitor {
  associatedtype Outcome
  func visit<Element: OrderedElement>(_ type: Element.Type) throws -> Outcome
}

extension ElementType {
  /// Calls the visitor with the Swift type of this number type; truth values are bytes.
  ///
  /// - Throws: a type that isn't a number held as such (half precision is widened before).
  func visitOrdered<Visitor: OrderVisitor>(_ visitor: Visitor) throws -> Visitor.Outcome {
    switch self {
    case .float32: try visitor.visit(Float.self)
    case .float64: try visitor.visit(Double.self)
    case .int8: try visitor.visit(Int8.self)
    case .int16: try visitor.visit(Int16.self)
    case .int32: try visitor.visit(Int32.self)
    case .int64: try visitor.visit(Int64.self)
    case .uint8, .bool: try visitor.visit(UInt8.self)
    case .uint16: try visitor.visit(UInt16.self)
    case .uint32: try visitor.visit(UInt32.self)
    case .uint64: try visitor.visit(UInt64.self)
    default: throw KernelProblem(lacking: "elements of \(name) cannot be ordered")
    }
  }
}

/// Fills in the keys of all elements.
struct OrderKeys: OrderVisitor {
  let tensor: Tensor
  let keys: UnsafeMutableBufferPointer<UInt64>

  /// Keys of a tensor's elements, strings ordered by their bytes. They live until the node ends.
  static func of(_ tensor: Tensor, _ context: RunContext) throws -> UnsafeBufferPointer<UInt64> {
    let keys = try context.scratch(UInt64.self, tensor.count)
    if tensor.elementType == .string {
      rank(tensor.elements(UInt64.self), into: keys)
    } else {
      let wide = try tensor.widened(context)
      try wide.elementType.visitOrdered(OrderKeys(tensor: wide, keys: keys))
    }
    return UnsafeBufferPointer(keys)
  }

  func visit<Element: OrderedElement>(_ type: Element.Type) throws {
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
