import ModelGraph
import Support

/// Input that stands in for real data where a model is only tried out.
package enum MadeInput {
  /// A tensor of repeatable random elements: floats from 0 to below 1; integers and truth values 0
  /// or 1, which any index may be; empty texts.
  ///
  /// - Throws: a type that the engine doesn't compute with, a shape beyond all memory.
  package static func tensor(
    _ type: ElementType, _ shape: [Int], seed: UInt64
  ) throws(Failure) -> TensorData {
    do {
      return try made(type, shape, seed: seed).copied()
    } catch {
      throw Failure(inference: error)
    }
  }

  private static func made(_ type: ElementType, _ shape: [Int], seed: UInt64) throws -> Tensor {
    let context = RunContext(pool: BufferPool(), workers: WorkerPool(threads: 1))
    if type == .string {
      let result = try context.allocate(type, shape)
      result.mutableElements(UInt64.self).update(repeating: StringTable.number(of: []))
      return result
    }
    let held: ElementType = type == .int4 || type == .uint4 ? .int8 : type
    let result = try context.allocate(held, shape)
    try context.checkRoom(.float64, shape)
    var random = SplitMix64(seed: seed)
    try result.setDoubles(
      (0..<result.count).map { _ in
        let number = random.unit()
        return type.isFloat ? number : number.rounded()
      })
    return result.reinterpreted(as: type)
  }
}
