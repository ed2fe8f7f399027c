import ModelGraph

/// Which tensors are extents of others, and which hold the same elements in the same order.
///
/// A Shape of a tensor that is held in another order is followed by a Gather that restores the file's;
/// the Gathers behind it in the file become one with that.
struct ExtentTracking {
  /// Extents that a Shape node tells, and which of them.
  struct Entries {
    let shape: Value
    let places: [Int]
  }

  private var entries: [Int: Entries] = [:]
  private var measured: [Int: Int] = [:]
  private var sources: [Int: Int] = [:]

  /// The extents that a tensor holds.
  func entries(in tensor: Int) -> Entries? { entries[tensor] }

  /// Notes the extents that a tensor holds.
  mutating func note(_ found: Entries, in tensor: Int) { entries[tensor] = found }

  /// Notes that a tensor is the shape of another.
  mutating func note(_ tensor: Int, shapeOf other: Int) { measured[tensor] = other }

  /// Notes that a tensor has another's elements, in the same order.
  mutating func note(_ tensor: Int, elementsOf other: Int) { sources[tensor] = source(of: other) }

  /// The first tensor with the same elements in the same order.
  private func source(of tensor: Int) -> Int { sources[tensor] ?? tensor }

  /// The tensor that a tensor becomes by being given that shape, if its elements and its shape are
  /// those.
  func original(of tensor: Int, shapedLike shape: Int) -> Int? {
    guard let other = measured[shape], source(of: other) == source(of: tensor) else { return nil }
    return other
  }
}
