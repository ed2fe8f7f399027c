/// One extent of a shape.
public enum Dimension: Hashable, Sendable {
  /// A known number of elements.
  case fixed(Int)
  /// A named extent, equal wherever the name stands.
  case symbolic(String)
  /// Nothing is known.
  case unknown
}

extension [Dimension] {
  /// Whether a tensor of these extents has this shape, as far as it is known.
  public func admits(_ extents: [Int]) -> Bool {
    count == extents.count
      && zip(self, extents).allSatisfy { dimension, extent in
        if case .fixed(let wanted) = dimension { wanted == extent } else { true }
      }
  }
}

/// The type of a value that flows along an edge.
public enum ValueType: Hashable, Sendable {
  /// A tensor. `shape` is nil when not even the rank is known.
  case tensor(ElementType, shape: [Dimension]?)
  /// A sequence, map, optional or sparse tensor, or a type this version doesn't know.
  case other
}

extension ValueType: CustomStringConvertible {
  /// `float32[N,3,224,224]`; `?` for an unknown extent, `[...]` for an unknown rank.
  public var description: String {
    switch self {
    case .tensor(let element, .some(let shape)):
      let extents = shape.map { dimension in
        switch dimension {
        case .fixed(let count): String(count)
        case .symbolic(let name): name
        case .unknown: "?"
        }
      }
      return element.name + "[" + extents.joined(separator: ",") + "]"
    case .tensor(let element, nil): return element.name + "[...]"
    case .other: return "(not a tensor)"
    }
  }
}
