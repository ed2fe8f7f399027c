/// The shape that two shapes broadcast to, by ONNX's rule (numpy's).
///
/// - Throws: extents that neither agree nor are 1.
func broadcastShape(_ left: [Int], _ right: [Int]) throws -> [Int] {
  if left == right { return left }
  let rank = max(left.count, right.count)
  var shape = [Int](repeating: 1, count: rank)
  for axis in 0..<rank {
    let a = axis < rank - left.count ? 1 : left[axis - (rank - left.count)]
    let b = axis < rank - right.count ? 1 : right[axis - (rank - right.count)]
    guard a == b || a == 1 || b == 1 else {
      throw KernelProblem("shapes \(left) and \(right) do not broadcast")
    }
    shape[axis] = a == 1 ? b : a
  }
  return shape
}

/// Strides for reading a dense tensor of `shape` as if it had been broadcast to `target`: 0 along
/// axes that repeat.
///
/// - Precondition: `shape` broadcasts to `target`.
func broadcastStrides(_ shape: [Int], to target: [Int]) -> [Int] {
  let dense = elementStrides(shape)
  let missing = target.count - shape.count
  return target.indices.map { axis in
    axis < missing || shape[axis - missing] == 1 ? 0 : dense[axis - missing]
  }
}

/// Calls `body` for every index of all axes but the last, with the offsets that the strides give.
///
/// - Complexity: O(product of all extents but the last), and the strides' count each.
func forEachRow(
  _ shape: [Int], strides: [[Int]], _ body: (_ row: Int, _ offsets: [Int]) throws -> Void
) rethrows {
  let outer = shape.dropLast()
  guard !shape.contains(0) else { return }
  var index = [Int](repeating: 0, count: outer.count)
  var offsets = [Int](repeating: 0, count: strides.count)
  let rows = outer.reduce(1, *)
  for row in 0..<rows {
    try body(row, offsets)
    var axis = outer.count - 1
    while axis >= 0 {
      index[axis] += 1
      for operand in strides.indices { offsets[operand] += strides[operand][axis] }
      if index[axis] < outer[axis] { break }
      for operand in strides.indices { offsets[operand] -= strides[operand][axis] * outer[axis] }
      index[axis] = 0
      axis -= 1
    }
  }
}
