import Support

/// What a kernel prepared for the shapes it met, a few of them at a time.
///
/// Making a primitive takes a millisecond, so steady shapes must find theirs again; a model fed
/// with ever new shapes must not collect them all.
final class ShapeCache<Prepared: Sendable>: Sendable {
  private struct Entry: Sendable {
    let shapes: [Int]
    let prepared: Prepared
  }
  private let entries = Guarded<[Entry]>([])
  private let limit = 16

  /// What was prepared for these shapes, or `make`'s result, which is kept.
  func value(for shapes: [Int], _ make: () throws -> Prepared) rethrows -> Prepared {
    if let known = entries.withLock({ entries in
      entries.first { $0.shapes == shapes }?.prepared
    }) {
      return known
    }
    let made = try make()
    return entries.withLock { entries in
      if let other = entries.first(where: { $0.shapes == shapes }) { return other.prepared }
      if entries.count == limit { entries.removeFirst() }
      entries.append(Entry(shapes: shapes, prepared: made))
      return made
    }
  }
}
