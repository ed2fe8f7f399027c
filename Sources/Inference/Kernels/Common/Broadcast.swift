import ModelGraph

/// How up to eight operands of one elementwise operation lie under their common shape.
///
/// Works in the order of memory: axes that all operands step through alike are one axis, so that
/// inner loops are long whatever the layout.
struct Broadcast: Sendable {
  /// What an operand looks like.
  struct Operand: Hashable, Sendable {
    let shape: [Int]
    let layout: Layout
    let count: Int

    init(_ tensor: Tensor) {
      shape = tensor.shape
      layout = tensor.layout
      count = tensor.count
    }

    init(_ shape: [Int], _ layout: Layout) {
      self.shape = shape
      self.layout = shape.count < 3 ? .rowMajor : layout
      count = shape.reduce(1, *)
    }
  }

  /// Some rows of the result, dense in memory, and where each operand begins.
  struct Block {
    var rows: Int
    var count: Int
    /// Elements before each operand's first.
    var offsets: SIMD8<Int>
    /// Elements before the result's first.
    var output: Int
  }

  /// The common shape.
  let shape: [Int]
  /// The order of the result's memory.
  let layout: Layout
  /// Elements from one row to the next, by operand.
  let rowStrides: SIMD8<Int>
  /// Elements from one column to the next, by operand: 1, or 0 for rows of equal elements.
  let columnStrides: SIMD8<Int>
  private let outerExtents: [Int]
  private let outerStrides: [SIMD8<Int>]
  private let rows: Int
  private let columns: Int

  /// Plans for operands that `aligned` has brought into the plan's layout.
  ///
  /// - Throws: shapes that don't broadcast, or whose common shape is beyond anything real.
  init(_ operands: [Operand]) throws {
    if let flat = Broadcast(flat: operands) {
      self = flat
      return
    }
    var common = operands[0].shape
    for operand in operands.dropFirst() { common = try broadcastShape(common, operand.shape) }
    guard TensorData.elementCount(of: common) != nil else {
      throw KernelProblem("a result of shape \(common) is too large")
    }
    shape = common
    layout = Broadcast.layout(of: operands, rank: common.count)
    let order = layout.axisOrder(rank: common.count)
    let strides = Broadcast.strides(operands, to: common, order: order)
    var extents: [Int] = []
    var steps: [SIMD8<Int>] = []
    for (axis, extent) in order.map({ common[$0] }).enumerated() where extent != 1 {
      if let last = steps.last, last == strides[axis] &* SIMD8(repeating: extent) {
        extents[extents.count - 1] *= extent
        steps[steps.count - 1] = strides[axis]
      } else {
        extents.append(extent)
        steps.append(strides[axis])
      }
    }
    columns = extents.popLast() ?? 1
    columnStrides = steps.popLast() ?? .zero
    rows = extents.popLast() ?? 1
    rowStrides = steps.popLast() ?? .zero
    outerExtents = extents
    outerStrides = steps
  }

  /// The plan where operands have one shape and layout, or are single elements: one long row.
  private init?(flat operands: [Operand]) {
    guard let main = operands.max(by: { $0.count < $1.count }) else { return nil }
    var steps = SIMD8<Int>.zero
    for (index, operand) in operands.enumerated() {
      if operand.count != 1 {
        guard operand.layout == main.layout, operand.shape == main.shape else { return nil }
        steps[index] = 1
      } else if operand.shape.count > main.shape.count || main.count == 0 {
        return nil
      }
    }
    shape = main.shape
    layout = main.layout
    (rows, columns) = (1, main.count)
    (rowStrides, columnStrides) = (.zero, steps)
    (outerExtents, outerStrides) = ([], [])
  }

  /// The layout in which fewest elements have to be moved.
  private static func layout(of operands: [Operand], rank: Int) -> Layout {
    var balance = 0
    var isChannelsLast = false
    for operand in operands {
      if operand.layout == .channelsLast {
        guard operand.shape.count == rank else { return .rowMajor }
        isChannelsLast = true
        if !Layout.coincide(for: operand.shape) { balance += operand.count }
      } else if rank >= 3, !Layout.coincide(for: padded(operand.shape, to: rank)) {
        balance -= operand.count
      }
    }
    return isChannelsLast && balance >= 0 ? .channelsLast : .rowMajor
  }

  private static func padded(_ shape: [Int], to rank: Int) -> [Int] {
    [Int](repeating: 1, count: rank - shape.count) + shape
  }

  /// For each axis in memory order, how far each operand steps along it.
  private static func strides(
    _ operands: [Operand], to common: [Int], order: [Int]
  ) -> [SIMD8<Int>] {
    var strides = [SIMD8<Int>](repeating: .zero, count: order.count)
    for (index, operand) in operands.enumerated() {
      let shape = padded(operand.shape, to: common.count)
      var dense = 1
      for position in order.indices.reversed() {
        let extent = shape[order[position]]
        strides[position][index] = extent == 1 ? 0 : dense
        dense *= extent
      }
    }
    return strides
  }

  /// The operand in the plan's layout and with its rank; itself where the bytes are the same.
  func aligned(_ tensor: Tensor, _ context: RunContext) throws -> Tensor {
    if layout == .rowMajor { return try tensor.converted(to: .rowMajor, context) }
    if tensor.rank == shape.count { return try tensor.converted(to: layout, context) }
    let plain = try tensor.converted(to: .rowMajor, context)
    return try plain.reshaped(Broadcast.padded(plain.shape, to: shape.count))
      .converted(to: layout, context)
  }

  /// Elements that one turn of a worker computes.
  private static let share = 1 << 15

  /// Calls `body` for blocks that cover the result, on all workers where that is worth it.
  ///
  /// - Parameter cost: rough number of elementary steps of one element.
  func forEachBlock(
    _ context: RunContext, cost: Int = 1, _ body: @Sendable (Block) throws -> Void
  ) throws {
    if rows == 0 || columns == 0 || outerExtents.contains(0) { return }
    let outer = outerExtents.reduce(1, *)
    let columnsAtOnce = rows == 1 ? min(columns, Broadcast.share) : columns
    let rowsAtOnce = min(rows, max(1, Broadcast.share / columns))
    let columnParts = (columns + columnsAtOnce - 1) / columnsAtOnce
    let parts = columnParts * ((rows + rowsAtOnce - 1) / rowsAtOnce)
    try context.forEach(outer * parts, cost: rowsAtOnce * columnsAtOnce * cost) { index in
      let (outerIndex, part) = index.quotientAndRemainder(dividingBy: parts)
      let row = part / columnParts * rowsAtOnce
      let column = part % columnParts * columnsAtOnce
      var block = Block(
        rows: min(rowsAtOnce, rows - row), count: min(columnsAtOnce, columns - column),
        offsets: rowStrides &* SIMD8(repeating: row)
          &+ columnStrides &* SIMD8(repeating: column),
        output: (outerIndex * rows + row) * columns + column)
      var rest = outerIndex
      for axis in outerExtents.indices.reversed() {
        block.offsets &+= outerStrides[axis] &* SIMD8(repeating: rest % outerExtents[axis])
        rest /= outerExtents[axis]
      }
      try body(block)
    }
  }
}
