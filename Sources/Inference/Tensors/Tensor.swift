import ModelGraph
import Support

/// A value of a run: element type, shape, layout, and elements in memory.
///
/// A tensor never changes once a step has made it, except by a step that holds the only
/// reference and writes its result in place.
public struct Tensor: @unchecked Sendable {
  /// The elements' type.
  public let elementType: ElementType
  /// The extents in ONNX's order, whatever the layout.
  public let shape: [Int]
  /// The order of elements in memory.
  public let layout: Layout
  /// Number of elements.
  public let count: Int
  var storage: Storage

  /// Describes elements that `storage` holds.
  ///
  /// - Precondition: the shape can be; `BufferPool.byteCount` tells.
  init(_ elementType: ElementType, _ shape: [Int], layout: Layout = .rowMajor, storage: Storage) {
    self.elementType = elementType
    self.shape = shape
    self.layout = shape.count < 3 ? .rowMajor : layout
    self.storage = storage
    guard let count = TensorData.elementCount(of: shape) else {
      preconditionFailure("the shape \(shape) was never checked")
    }
    self.count = count
  }

  /// Number of axes.
  public var rank: Int { shape.count }

  /// Bytes of the elements in memory.
  public var byteCount: Int { count * (elementType.memoryWidth ?? 0) }

  /// Lends the elements' bytes, in the order `layout` says.
  public func withUnsafeBytes<Result, Problem: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Problem) -> Result
  ) throws(Problem) -> Result {
    let result = try body(UnsafeRawBufferPointer(start: storage.base, count: byteCount))
    withExtendedLifetime(storage) {}
    return result
  }

  /// The elements as `Element`, readable while the tensor is held: by a call's inputs and by
  /// what its context allocated, for the whole call.
  func elements<Element: TensorElement>(_ type: Element.Type) -> UnsafeBufferPointer<Element> {
    precondition(MemoryLayout<Element>.size == elementType.memoryWidth)
    return UnsafeBufferPointer(
      start: storage.base.assumingMemoryBound(to: Element.self), count: count)
  }

  /// The elements, to write to: of a tensor just allocated, or one taken for writing in place.
  func mutableElements<Element: TensorElement>(
    _ type: Element.Type
  ) -> UnsafeMutableBufferPointer<Element> {
    precondition(MemoryLayout<Element>.size == elementType.memoryWidth && storage.isWritable)
    return UnsafeMutableBufferPointer(
      start: storage.base.assumingMemoryBound(to: Element.self), count: count)
  }

  /// The same elements under another shape with as many of them.
  ///
  /// - Precondition: row-major, and equal counts.
  func reshaped(_ shape: [Int]) -> Tensor {
    let result = Tensor(elementType, shape, storage: storage)
    precondition(layout == .rowMajor && result.count == count)
    return result
  }

  /// The same bytes said to be in another layout.
  ///
  /// - Precondition: the layouts coincide for this shape.
  func relabelled(_ layout: Layout) -> Tensor {
    precondition(layout == self.layout || Layout.coincide(for: shape))
    return Tensor(elementType, shape, layout: layout, storage: storage)
  }

  /// The same bytes as elements of a type of the same width.
  func reinterpreted(as type: ElementType) -> Tensor {
    precondition(type.memoryWidth == elementType.memoryWidth)
    return Tensor(type, shape, layout: layout, storage: storage)
  }

  /// `float32[1,3,224,224]`.
  public var description: String { Tensor.text(elementType, shape) }

  /// `float32[1,3,224,224]`.
  static func text(_ type: ElementType, _ shape: [Int]) -> String {
    type.name + "[" + shape.map(String.init).joined(separator: ",") + "]"
  }
}

/// What flows along an edge: nearly always a tensor.
package enum RunValue: Sendable {
  case tensor(Tensor)
  case sequence([Tensor], of: ElementType)
  /// An optional that holds nothing.
  case nothing

  /// The tensor, if it is one.
  package var tensor: Tensor? {
    if case .tensor(let tensor) = self { tensor } else { nil }
  }
}
