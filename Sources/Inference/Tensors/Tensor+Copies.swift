import ModelGraph

extension Tensor {
  /// A copy of the elements in the packed row-major form of files, whatever the layout.
  package func copied() -> TensorData {
    let context = RunContext(pool: BufferPool(), workers: .init(threads: 1))
    return converted(to: .rowMajor, context).packedData()
  }
}
