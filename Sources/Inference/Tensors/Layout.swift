/// The order in which a tensor's elements lie in memory. The shape is always ONNX's.
public enum Layout: Hashable, Sendable {
  /// The last axis varies fastest.
  case rowMajor
  /// Axis 1 (channels) varies fastest, the others keep their order: N, spatial axes, C. For
  /// tensors with at least three axes.
  case channelsLast

  /// The axes from the slowest to the fastest in memory.
  func axisOrder(rank: Int) -> [Int] {
    switch self {
    case .rowMajor: Array(0..<rank)
    case .channelsLast: [0] + Array(2..<rank) + [1]
    }
  }

  /// The extents in memory order.
  public func physicalShape(_ shape: [Int]) -> [Int] {
    switch self {
    case .rowMajor: return shape
    case .channelsLast:
      var physical = shape
      physical.append(physical.remove(at: 1))
      return physical
    }
  }

  /// Where a logical axis stands in memory order.
  public func physicalAxis(_ axis: Int, rank: Int) -> Int {
    guard self == .channelsLast else { return axis }
    return axis == 0 ? 0 : axis == 1 ? rank - 1 : axis - 1
  }

  /// Whether a tensor of this shape has the same bytes in both layouts.
  static func coincide(for shape: [Int]) -> Bool {
    guard shape.count >= 3 else { return true }
    return shape[1] == 1 || shape[2...].allSatisfy { $0 == 1 } || shape.contains(0)
  }
}
