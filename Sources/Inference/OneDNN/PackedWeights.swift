import COneDNN
import Support

/// Constant weights in the orders that primitives asked for, each made once.
final class PackedWeights: Sendable {
  private struct Packed: @unchecked Sendable {
    let description: dnnl_memory_desc_t
    let storage: Storage
  }

  private let source: Tensor
  private let scales: Tensor?
  private let channelAxes: Int
  private let plain: @Sendable () throws -> dnnl_memory_desc_t
  private let packed = Guarded<[Packed]>([])
  private let pool = BufferPool()

  /// Holds the weights; nothing is copied yet.
  ///
  /// - Parameters:
  ///   - scales: factors for the outermost axes' indices, which the weights are multiplied by.
  ///   - channelAxes: how many axes that is.
  ///   - plain: how the constant's elements lie.
  init(
    _ source: Tensor, scales: Tensor? = nil, channelAxes: Int = 1,
    plain: @escaping @Sendable () throws -> dnnl_memory_desc_t
  ) {
    self.source = source
    self.scales = scales
    self.channelAxes = channelAxes
    self.plain = plain
  }

  /// The weights in the wanted order.
  ///
  /// - Complexity: O(weights) the first time, then O(1). A file's pages are given back afterwards.
  func storage(as wanted: dnnl_memory_desc_t) throws -> Storage {
    try packed.withLock { packed in
      if let known = packed.first(where: { $0.description.equals(wanted) }) {
        return known.storage
      }
      let plain = try plain()
      let storage: Storage
      if scales == nil, plain.equals(wanted), Int(bitPattern: source.storage.base) % 64 == 0 {
        storage = source.storage
      } else {
        storage = try pool.storage(byteCount: wanted.byteCount)
        try Primitive.reorder(
          plain, source.storage.base, to: wanted, storage.base,
          scales: scales?.elements(Float.self), axes: channelAxes)
        source.storage.releasePages()
      }
      packed.append(Packed(description: wanted, storage: storage))
      return storage
    }
  }
}
