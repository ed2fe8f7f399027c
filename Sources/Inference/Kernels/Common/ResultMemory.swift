/// Memory for the result of a kernel with followers.
enum ResultMemory {
  /// New memory; or, where a follower adds a term, memory that holds the term: the term's own if
  /// nothing else needs it, else a copy.
  ///
  /// - Throws: `FollowerMismatch` where the term has another shape than the result.
  static func allocate(
    _ shape: [Int], layout: Layout, for followers: [Follower], _ call: KernelCall
  ) throws -> Tensor {
    for case .add(let input) in followers {
      let term = try operand(input, shape: shape, layout: layout, call)
      if let own = call.takeForWriting(input, .float32), own.storage === term.storage {
        return term
      }
      let result = try call.context.allocate(.float32, shape, layout: layout)
      result.storage.base.copyMemory(from: term.storage.base, byteCount: result.byteCount)
      return result
    }
    return try call.context.allocate(.float32, shape, layout: layout)
  }

  /// A term that has to be of the result's shape, in the result's layout.
  static func operand(
    _ input: Int, shape: [Int], layout: Layout, _ call: KernelCall
  ) throws -> Tensor {
    let tensor = try call.tensor(input, .float32)
    guard tensor.shape == shape else { throw FollowerMismatch() }
    return try tensor.converted(to: layout, call.context)
  }
}
