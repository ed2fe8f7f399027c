import ModelGraph

/// A real number type that kernels compute with directly.
protocol NumberElement: TensorElement, Comparable, Numeric {
  /// The nearest value, as a C cast gives it.
  init(converting value: Double)
  /// The value as a double.
  var asDouble: Double { get }
  /// This number plus a product; integers wrap around.
  func addingProduct(wrapping left: Self, _ right: Self) -> Self
  /// Less for lesser numbers, equal for equal ones; that of NaN is greater than all others.
  var orderKey: UInt64 { get }
}

extension Float: NumberElement {
  init(converting value: Double) { self = Float(value) }
  var asDouble: Double { Double(self) }
  func addingProduct(wrapping left: Float, _ right: Float) -> Float { self + left * right }
}
extension Double: NumberElement {
  init(converting value: Double) { self = value }
  var asDouble: Double { self }
  func addingProduct(wrapping left: Double, _ right: Double) -> Double { self + left * right }
}
extension NumberElement where Self: FixedWidthInteger {
  init(converting value: Double) {
    if value.isNaN {
      self = 0
    } else if value <= Double(Self.min) {
      self = .min
    } else if value >= Double(Self.max) {
      self = .max
    } else {
      self = Self(value)
    }
  }
  var asDouble: Double { Double(self) }
  func addingProduct(wrapping left: Self, _ right: Self) -> Self { self &+ left &* right }
}
extension Int8: NumberElement {}
extension Int16: NumberElement {}
extension Int32: NumberElement {}
extension Int64: NumberElement {}
extension UInt8: NumberElement {}
extension UInt16: NumberElement {}
extension UInt32: NumberElement {}
extension UInt64: NumberElement {}

/// Work that is written once for all number types.
protocol NumberVisitor {
  associatedtype Outcome
  func visit<Element: NumberElement>(_ type: Element.Type) throws -> Outcome
}

extension ElementType {
  /// Calls the visitor with the Swift type of this number type.
  ///
  /// - Throws: a type that isn't a number held as such (half precision is widened before).
  func visitNumber<Visitor: NumberVisitor>(_ visitor: Visitor) throws -> Visitor.Outcome {
    switch self {
    case .float32: try visitor.visit(Float.self)
    case .float64: try visitor.visit(Double.self)
    case .int8: try visitor.visit(Int8.self)
    case .int16: try visitor.visit(Int16.self)
    case .int32: try visitor.visit(Int32.self)
    case .int64: try visitor.visit(Int64.self)
    case .uint8: try visitor.visit(UInt8.self)
    case .uint16: try visitor.visit(UInt16.self)
    case .uint32: try visitor.visit(UInt32.self)
    case .uint64: try visitor.visit(UInt64.self)
    default:
      throw KernelProblem(lacking: "\(name) is not a number type this operator computes with")
    }
  }

  /// Calls the visitor with an unsigned type as wide as one element, for moving elements about
  /// whatever they mean (strings too).
  func visitWidth<Visitor: WidthVisitor>(_ visitor: Visitor) throws -> Visitor.Outcome {
    switch memoryWidth {
    case 1: try visitor.visit(UInt8.self)
    case 2: try visitor.visit(UInt16.self)
    case 4: try visitor.visit(UInt32.self)
    case 8: try visitor.visit(UInt64.self)
    default: throw KernelProblem(lacking: "\(name) has no representation in memory")
    }
  }
}

/// Work that only moves elements.
protocol WidthVisitor {
  associatedtype Outcome
  func visit<Element: TensorElement & FixedWidthInteger>(_ type: Element.Type) throws -> Outcome
}
