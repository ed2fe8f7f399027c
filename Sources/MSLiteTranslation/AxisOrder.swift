/// The order in which a tensor's axes are stored: axis `i` of what is stored is axis `axes[i]` of
/// what ONNX means.
struct AxisOrder: Hashable {
  let axes: [Int]

  /// Channels last, for tensors of four axes.
  static let channelsLast = AxisOrder([0, 2, 3, 1])

  init(_ axes: [Int]) { self.axes = axes }

  /// ONNX's own order.
  static func plain(_ rank: Int) -> AxisOrder { AxisOrder(Array(0..<rank)) }

  var rank: Int { axes.count }

  var isPlain: Bool { axes == Array(axes.indices) }

  /// Where an axis of ONNX's is stored.
  func place(of axis: Int) -> Int { axes.firstIndex(of: axis) ?? axis }

  /// The permutation that leads from this order to another of the same axes.
  func steps(to other: AxisOrder) -> [Int] { other.axes.map(place) }

  /// The order of what remains without some of ONNX's axes.
  func removing(_ removed: Set<Int>) -> AxisOrder {
    let kept = axes.filter { !removed.contains($0) }
    let ranks = kept.sorted()
    return AxisOrder(kept.map { axis in ranks.firstIndex(of: axis) ?? 0 })
  }

  /// The order with a further one of ONNX's axes, and where that is stored: in front of the axis that
  /// follows it.
  func inserting(_ axis: Int) -> (order: AxisOrder, place: Int) {
    var wider = axes.map { $0 >= axis ? $0 + 1 : $0 }
    let place = wider.firstIndex(of: axis + 1) ?? wider.count
    wider.insert(axis, at: place)
    return (AxisOrder(wider), place)
  }

  /// Whether elements of these extents lie as in ONNX's order, because only axes of extent 1 are
  /// elsewhere.
  func movesNothing(of extents: [Int]) -> Bool {
    axes.filter { extents[$0] != 1 } == extents.indices.filter { extents[$0] != 1 }
  }

  /// Values that are stated for each of ONNX's axes, as stored.
  func arranged<Element>(_ values: [Element]) -> [Element] { axes.map { values[$0] } }
}

/// Moves the elements of a row-major tensor into another order of its axes.
enum Rearrangement {
  /// - Parameters:
  ///   - bytes: `extents`' elements of `width` bytes.
  ///   - order: the new order.
  /// - Complexity: O(elements).
  static func apply(
    _ bytes: UnsafeRawBufferPointer, extents: [Int], width: Int, order: AxisOrder
  ) -> [UInt8] {
    let rank = extents.count
    var strides = [Int](repeating: width, count: rank)
    for axis in stride(from: rank - 2, through: 0, by: -1) {
      strides[axis] = strides[axis + 1] * extents[axis + 1]
    }
    let shape = order.arranged(extents)
    let steps = order.arranged(strides)
    guard let last = shape.last, let lastStep = steps.last, !shape.contains(0) else { return [] }
    return [UInt8](unsafeUninitializedCapacity: bytes.count) { target, count in
      var index = [Int](repeating: 0, count: rank)
      var source = 0
      var out = 0
      while out < bytes.count {
        var at = source
        for _ in 0..<last {
          for byte in 0..<width { target[out + byte] = bytes[at + byte] }
          out += width
          at += lastStep
        }
        var axis = rank - 2
        while axis >= 0 {
          index[axis] += 1
          source += steps[axis]
          if index[axis] < shape[axis] { break }
          source -= steps[axis] * shape[axis]
          index[axis] = 0
          axis -= 1
        }
      }
      count = out
    }
  }
}
