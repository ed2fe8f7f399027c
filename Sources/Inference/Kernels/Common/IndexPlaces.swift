import ModelGraph

extension KernelCall {
  /// The elements of an index input, counted from the front, all within 0..<extent.
  ///
  /// - Throws: an index outside, with its value.
  func checkedIndices(_ input: Int, extent: Int) throws -> UnsafeMutableBufferPointer<Int64> {
    let tensor = try tensor(input)
    let indices = context.scratch(Int64.self, tensor.count)
    switch tensor.elementType {
    case .int64:
      let values = tensor.elements(Int64.self)
      for index in 0..<values.count { indices[index] = values[index] }
    case .int32:
      let values = tensor.elements(Int32.self)
      for index in 0..<values.count { indices[index] = Int64(values[index]) }
    default: throw KernelProblem("indices are \(tensor.elementType.name), not int64 or int32")
    }
    let limit = Int64(extent)
    for index in 0..<indices.count {
      let value = indices[index]
      let counted = value < 0 ? value &+ limit : value
      guard counted >= 0, counted < limit else {
        throw KernelProblem("the index \(value) is outside an axis of \(extent)")
      }
      indices[index] = counted
    }
    return indices
  }
}

/// Where elements lie that GatherElements and ScatterElements name: one index along an axis for
/// each, the others being the element's own.
struct ElementPlaces {
  /// Offsets into the data, one for each element of the indices.
  let offsets: UnsafeMutableBufferPointer<Int64>

  init(_ indices: Tensor, in data: Tensor, axis: Int, _ call: KernelCall) throws {
    guard indices.rank == data.rank else {
      throw KernelProblem("indices \(indices.description) do not fit \(data.description)")
    }
    for other in data.shape.indices where other != axis {
      guard indices.shape[other] <= data.shape[other] else {
        throw KernelProblem("indices \(indices.description) do not fit \(data.description)")
      }
    }
    offsets = try call.checkedIndices(1, extent: data.shape[axis])
    let own = rowMajorStrides(indices.shape)
    let strides = rowMajorStrides(data.shape)
    for index in 0..<offsets.count {
      var offset = Int(offsets[index]) * strides[axis]
      for other in data.shape.indices where other != axis {
        offset += index / own[other] % indices.shape[other] * strides[other]
      }
      offsets[index] = Int64(offset)
    }
  }
}

/// The tuples of indices that GatherND and ScatterND take from their last axis.
struct IndexTuples {
  /// Numbers in a tuple.
  let length: Int
  /// The indices' shape without the last axis.
  let outer: [Int]
  /// Elements that one tuple names.
  let inner: Int
  /// Which row of `inner` elements each tuple names.
  let rows: UnsafeMutableBufferPointer<Int64>

  /// - Throws: tuples longer than the data has axes, and indices outside.
  init(_ call: KernelCall, data: Tensor, batchAxes: Int) throws {
    let indices = try call.tensor(1)
    guard let length = indices.shape.last, batchAxes >= 0, batchAxes < indices.rank,
      batchAxes + length <= data.rank,
      Array(indices.shape[..<batchAxes]) == Array(data.shape[..<batchAxes])
    else { throw KernelProblem("indices \(indices.description) do not fit \(data.description)") }
    guard let numbers = try call.integers(1) else { throw KernelProblem("the indices are missing") }
    self.length = length
    outer = Array(indices.shape.dropLast())
    inner = data.shape[(batchAxes + length)...].reduce(1, *)
    let count = outer.reduce(1, *)
    rows = call.context.scratch(Int64.self, count)
    let perBatch = outer[batchAxes...].reduce(1, *)
    for tuple in 0..<count {
      var row = perBatch == 0 ? 0 : tuple / perBatch
      for position in 0..<length {
        let extent = data.shape[batchAxes + position]
        let number = numbers[tuple * length + position]
        let counted = number < 0 ? number &+ extent : number
        guard (0..<extent).contains(counted) else {
          throw KernelProblem("the index \(number) is outside an axis of \(extent)")
        }
        row = row * extent + counted
      }
      rows[tuple] = Int64(row)
    }
  }
}
