import ModelGraph

/// The lines, along the last axis, of the indices that GatherElements and ScatterElements take: each
/// index names a place along `axis`, its own place names the others.
struct ElementLines {
  /// Indices in a line.
  let length: Int
  private let shape: [Int]
  /// What an index counts, and what a step along the line does, in elements of the data.
  private let indexStep: Int
  private let columnStep: Int
  private let strides: [Int]
  private let indices: UnsafeBufferPointer<Int64>

  /// - Throws: indices outside the axis, or of a shape that doesn't fit the data's.
  init(_ data: Tensor, _ places: Tensor, axis: Int, _ call: KernelCall) throws {
    let axis = try resolvedAxis(axis, rank: data.rank)
    guard places.rank == data.rank,
      data.shape.indices.allSatisfy({ $0 == axis || places.shape[$0] <= data.shape[$0] })
    else {
      throw KernelProblem("indices \(places.description) do not fit \(data.description)")
    }
    indices = try call.indices(places, extent: data.shape[axis])
    shape = places.shape
    length = shape.last ?? 1
    var strides = data.strides
    indexStep = strides[axis]
    strides[axis] = 0
    columnStep = strides.last ?? 0
    self.strides = strides
  }

  /// Calls `body` with the first place of each line, and the data's place that belongs to it.
  func forEach(_ body: (_ line: Int, _ base: Int) throws -> Void) rethrows {
    try forEachRow(shape, strides: [strides]) { row, offsets in
      try body(row * length, offsets[0])
    }
  }

  /// Where in the data the element at `place`, in `column` of a line, lies.
  @inline(__always)
  func place(_ place: Int, _ column: Int, _ base: Int) -> Int {
    base + Int(indices[place]) * indexStep + column * columnStep
  }
}

/// The tuples of indices that GatherND and ScatterND take from their last axis.
struct IndexTuples {
  /// Numbers in a tuple.
  let length: Int
  /// Elements that a tuple names.
  let inner: Int
  /// Which run of `inner` elements each tuple names.
  let rows: UnsafeBufferPointer<Int64>

  /// - Throws: tuples longer than the data has axes, and indices outside.
  init(_ places: Tensor, in data: Tensor, batchAxes: Int, _ call: KernelCall) throws {
    guard let length = places.shape.last, batchAxes >= 0, batchAxes < places.rank,
      length <= data.rank - batchAxes, places.shape[..<batchAxes] == data.shape[..<batchAxes]
    else {
      throw KernelProblem("indices \(places.description) do not fit \(data.description)")
    }
    self.length = length
    let extents = data.shape[batchAxes..<batchAxes + length]
    inner = data.shape[(batchAxes + length)...].reduce(1, &*)
    let count = places.shape.dropLast().reduce(1, &*)
    let rows = try call.context.allocate(.int64, [count]).mutableElements(Int64.self)
    self.rows = UnsafeBufferPointer(rows)
    let perBatch = places.shape[batchAxes...].dropLast().reduce(1, &*)
    guard count > 0 else { return }
    for tuple in 0..<count { rows[tuple] = Int64(tuple / perBatch) }
    let numbers = try call.integers(1) ?? []
    var position = 0
    for extent in extents {
      for tuple in 0..<count {
        let number = numbers[tuple * length + position]
        let counted = number < 0 ? number &+ extent : number
        guard counted >= 0, counted < extent else {
          throw KernelProblem("an index is \(number), outside the extent \(extent)")
        }
        rows[tuple] = rows[tuple] &* Int64(extent) &+ Int64(counted)
      }
      position += 1
    }
  }
}
