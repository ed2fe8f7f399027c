import ModelGraph
import Support

extension BufferPool {
  /// The bytes of a tensor.
  ///
  /// - Throws: types and shapes that cannot be, and tensors larger than the pool's limit.
  func byteCount(of type: ElementType, _ shape: [Int]) throws -> Int {
    guard let width = type.memoryWidth else {
      throw KernelProblem(lacking: "\(type.name) has no representation in memory")
    }
    guard let count = TensorData.elementCount(of: shape) else {
      throw KernelProblem(
        shape.contains { $0 < 0 }
          ? "a tensor \(Tensor.text(type, shape)) cannot be: an extent is negative"
          : "a tensor \(Tensor.text(type, shape)) is larger than any memory")
    }
    guard count <= limit / width else {
      throw KernelProblem(
        "a tensor \(Tensor.text(type, shape)) would need \(NumberText.bytes(count * width)), and "
          + "at most \(NumberText.bytes(limit)) of memory can be had")
    }
    return count * width
  }
}
