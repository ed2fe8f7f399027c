import ModelGraph

extension Tensor {
  /// The tensor with one axis fewer that stands at `index` of an axis.
  ///
  /// - Precondition: row-major; the axis and the index exist.
  func slice(axis: Int, at index: Int, _ context: RunContext) throws -> Tensor {
    var rest = shape
    let extent = rest.remove(at: axis)
    let result = try context.allocate(elementType, rest)
    let inner = shape[(axis + 1)...].reduce(elementType.memoryWidth ?? 1, *)
    for outer in 0..<shape[..<axis].reduce(1, *) {
      (result.storage.base + outer * inner).copyMemory(
        from: storage.base + (outer * extent + index) * inner, byteCount: inner)
    }
    return result
  }

  /// Tensors of one type and shape side by side along a new axis.
  ///
  /// - Precondition: at least one; row-major; `axis` is at most their rank.
  /// - Throws: tensors that differ in type or shape.
  static func stacked(_ parts: [Tensor], axis: Int, _ context: RunContext) throws -> Tensor {
    let first = parts[0]
    for part in parts where part.elementType != first.elementType || part.shape != first.shape {
      throw KernelProblem(
        "\(first.description) and \(part.description) do not stack: they differ")
    }
    var shape = first.shape
    shape.insert(parts.count, at: axis)
    guard TensorData.elementCount(of: shape) != nil else {
      throw KernelProblem("\(parts.count) tensors \(first.description) are too many to stack")
    }
    let result = try context.allocate(first.elementType, shape)
    let inner = first.shape[axis...].reduce(first.elementType.memoryWidth ?? 1, *)
    for (index, part) in parts.enumerated() {
      for outer in 0..<first.shape[..<axis].reduce(1, *) {
        (result.storage.base + (outer * parts.count + index) * inner).copyMemory(
          from: part.storage.base + outer * inner, byteCount: inner)
      }
    }
    return result
  }
}
