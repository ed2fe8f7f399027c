import ModelGraph

extension RunContext {
  /// Runs `body` on consecutive pieces of 0..<count, each large enough to be worth a worker's while.
  ///
  /// For work whose items don't depend on each other: how it is cut changes no result.
  ///
  /// - Parameters:
  ///   - cost: rough number of elementary steps of one item.
  ///   - multiple: every piece but the last has a multiple of that many items.
  func forEachPiece(
    of count: Int, cost: Int, multiple: Int = 1, _ body: @Sendable (Range<Int>) throws -> Void
  ) throws {
    guard count > 0 else { return }
    let step = max(1, cost)
    let wanted = max(1, (1 << 15) / step)
    let size = min(count, (wanted + multiple - 1) / multiple * multiple)
    let pieces = (count + size - 1) / size
    try forEach(pieces, cost: size.multipliedReportingOverflow(by: step).partialValue) { piece in
      let start = piece * size
      try body(start..<min(count, start + size))
    }
  }
}

extension Tensor {
  /// Where the elements start, to hand to C; valid as long as `elements` is.
  func start<Element: TensorElement>(_ type: Element.Type) -> UnsafePointer<Element> {
    precondition(MemoryLayout<Element>.size == elementType.memoryWidth)
    return UnsafePointer(storage.base.assumingMemoryBound(to: Element.self))
  }

  /// Where the elements start, to write to; valid as long as `mutableElements` is.
  func writableStart<Element: TensorElement>(_ type: Element.Type) -> UnsafeMutablePointer<Element>
  {
    precondition(MemoryLayout<Element>.size == elementType.memoryWidth && storage.isWritable)
    return storage.base.assumingMemoryBound(to: Element.self)
  }
}

extension KernelCall {
  /// An input, and a tensor like it for the result: the input itself where nothing else holds it.
  func tensorForRewriting(_ index: Int) throws -> (data: Tensor, result: Tensor) {
    let type = try tensor(index).elementType
    if let taken = takeForWriting(index, type) { return (taken, taken) }
    let data = try tensor(index)
    return try (data, context.allocate(type, data.shape, layout: data.layout))
  }
}

extension Tensor {
  /// Keeps products of some of the extents small where others are 0: a model can claim any shape
  /// for a tensor with no elements, and results may have fewer axes.
  ///
  /// - Throws: an empty tensor whose other extents multiply to more than 2^28.
  func checkExtents() throws {
    guard count == 0 else { return }
    guard let others = TensorData.elementCount(of: shape.map { max(1, $0) }), others <= 1 << 28
    else { throw KernelProblem("the shape \(shape) is too large for an empty tensor") }
  }
}

/// A tensor seen as outer x extent x inner: some neighbouring axes in memory, and what is around
/// them.
struct AxisBlock: Hashable, Sendable {
  /// Product of the extents before.
  let outer: Int
  /// Product of the extents of the axes themselves.
  let extent: Int
  /// Product of the extents after; the distance of neighbours.
  let inner: Int

  /// The block of some neighbouring axes of a shape in memory order.
  init(_ physicalShape: [Int], axes: Range<Int>) {
    self.init(
      outer: physicalShape[..<axes.lowerBound].reduce(1, *),
      extent: physicalShape[axes].reduce(1, *),
      inner: physicalShape[axes.upperBound...].reduce(1, *))
  }

  /// A block of given extents.
  init(outer: Int, extent: Int, inner: Int) {
    self.outer = outer
    self.extent = extent
    self.inner = inner
  }
}

extension NodeSettings {
  /// A number attribute that the operator cannot do without.
  func requiredInts(_ name: String) throws -> [Int] {
    guard let numbers = try ints(name) else {
      throw KernelProblem("the attribute '\(name)' is missing")
    }
    return numbers
  }
}
