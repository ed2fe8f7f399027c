import CKernels
import ModelGraph

extension Families {
  /// Operators that pick or place elements by index.
  static let indexing =
    [gather, gatherElements, gatherND, compress, nonZero, oneHot, reverseSequence] + scattering

  private static let gather = OperatorDefinition(
    "Gather", types: "all",
    tensors: { settings in
      let axis = try settings.int("axis", default: 0)
      return { call in
        let data = try call.tensor(0)
        let indices = try call.tensor(1)
        let axis = try resolvedAxis(axis, rank: data.rank)
        let extent = data.shape[axis]
        let outer = data.shape[..<axis].reduce(1, *)
        let inner = data.shape[(axis + 1)...].reduce(1, *)
        let shape = Array(data.shape[..<axis]) + indices.shape + data.shape[(axis + 1)...]
        guard TensorData.elementCount(of: shape).map({ $0 < 1 << 40 }) ?? false else {
          throw KernelProblem("the output would be \(shape)")
        }
        let result = call.context.allocate(data.elementType, shape)
        let rows = try call.checkedIndices(1, extent: extent)
        let rowBytes = inner * (data.elementType.memoryWidth ?? 1)
        for block in 0..<outer where rowBytes > 0 {
          gs_gather_rows(
            result.storage.base + block * rows.count * rowBytes,
            data.storage.base + block * extent * rowBytes, rows.baseAddress, rows.count, rowBytes)
        }
        return [result]
      }
    })

  private static let gatherElements = OperatorDefinition(
    "GatherElements", types: "all",
    tensors: { settings in
      let axis = try settings.int("axis", default: 0)
      return { call in
        let data = try call.tensor(0)
        let indices = try call.tensor(1)
        let axis = try resolvedAxis(axis, rank: data.rank)
        let places = try ElementPlaces(indices, in: data, axis: axis, call)
        let result = call.context.allocate(data.elementType, indices.shape)
        try data.elementType.visitWidth(
          ElementPicker(data: data, result: result, places: places.offsets))
        return [result]
      }
    })

  private struct ElementPicker: WidthVisitor {
    let data: Tensor
    let result: Tensor
    let places: UnsafeMutableBufferPointer<Int64>

    func visit<Element: TensorElement & FixedWidthInteger>(_ type: Element.Type) throws {
      let source = data.elements(type)
      let out = result.mutableElements(type)
      for index in 0..<out.count { out[index] = source[Int(places[index])] }
    }
  }

  private static let gatherND = OperatorDefinition(
    "GatherND", versions: "batch_dims since 12", types: "all",
    tensors: { settings in
      let batchAxes = try settings.int("batch_dims", default: 0)
      return { call in
        let data = try call.tensor(0)
        let tuples = try IndexTuples(call, data: data, batchAxes: batchAxes)
        let shape = tuples.outer + data.shape[(batchAxes + tuples.length)...]
        let result = call.context.allocate(data.elementType, shape)
        let rowBytes = tuples.inner * (data.elementType.memoryWidth ?? 1)
        if rowBytes > 0 {
          gs_gather_rows(
            result.storage.base, data.storage.base, tuples.rows.baseAddress, tuples.rows.count,
            rowBytes)
        }
        return [result]
      }
    })

  private static let compress = OperatorDefinition(
    "Compress", types: "all",
    tensors: { settings in
      let attribute = try settings.int("axis")
      return { call in
        let given = try call.tensor(0)
        let input = attribute == nil ? given.reshaped([given.count]) : given
        let axis = try resolvedAxis(attribute ?? 0, rank: input.rank)
        let condition = try call.tensor(1, .bool)
        let chosen = condition.elements(UInt8.self).enumerated().filter { $1 != 0 }.map {
          Int64($0.offset)
        }
        guard chosen.allSatisfy({ $0 < input.shape[axis] }) else {
          throw KernelProblem("the condition is longer than axis \(axis) of \(input.description)")
        }
        var shape = input.shape
        shape[axis] = chosen.count
        let result = call.context.allocate(input.elementType, shape)
        let rowBytes =
          input.shape[(axis + 1)...].reduce(1, *) * (input.elementType.memoryWidth ?? 1)
        for block in 0..<input.shape[..<axis].reduce(1, *) where rowBytes > 0 {
          gs_gather_rows(
            result.storage.base + block * chosen.count * rowBytes,
            input.storage.base + block * input.shape[axis] * rowBytes, chosen, chosen.count,
            rowBytes)
        }
        return [result]
      }
    })

  private static let nonZero = OperatorDefinition(
    "NonZero", types: "float, integer, bool",
    tensors: { _ in
      { call in
        let input = try call.tensor(0)
        let width = input.elementType.memoryWidth ?? 1
        let isFloat = input.elementType.isFloat
        let bytes = UnsafeRawBufferPointer(start: input.storage.base, count: input.byteCount)
        var found: [Int] = []
        for index in 0..<input.count {
          var bits: UInt64 = 0
          for byte in 0..<width {
            bits |= UInt64(bytes[index * width + byte]) << (8 * UInt64(byte))
          }
          // The sign alone doesn't make a floating-point zero another number.
          if isFloat { bits &= ~(1 << UInt64(8 * width - 1)) }
          if bits != 0 { found.append(index) }
        }
        let rank = max(1, input.rank)
        let strides = rowMajorStrides(input.shape)
        let result = call.context.allocate(.int64, [input.rank == 0 ? 1 : rank, found.count])
        let out = result.mutableElements(Int64.self)
        for (column, index) in found.enumerated() {
          if input.rank == 0 { out[column] = 0 }
          for axis in 0..<input.rank {
            out[axis * found.count + column] = Int64(index / strides[axis] % input.shape[axis])
          }
        }
        return [result]
      }
    })

  private static let oneHot = OperatorDefinition(
    "OneHot", types: "all",
    tensors: { settings in
      let axis = try settings.int("axis", default: -1)
      return { call in
        let indices = try call.tensor(0)
        let values = try call.tensor(2)
        guard let depth = try call.scalar(1), depth >= 0, depth < 1e12, values.count == 2 else {
          throw KernelProblem("the depth is not a number, or there are not two values")
        }
        let rank = indices.rank + 1
        let axis = try resolvedAxis(axis, rank: rank)
        let classes = Int(depth)
        let shape = Array(indices.shape[..<axis]) + [classes] + indices.shape[axis...]
        guard TensorData.elementCount(of: shape).map({ $0 < 1 << 40 }) ?? false else {
          throw KernelProblem("the output would be \(shape)")
        }
        let result = call.context.allocate(values.elementType, shape)
        let numbers = try indices.doubles()
        try values.elementType.visitWidth(
          OneHotFiller(
            numbers: numbers, values: values, result: result, classes: classes,
            inner: indices.shape[axis...].reduce(1, *)))
        return [result]
      }
    })

  private struct OneHotFiller: WidthVisitor {
    let numbers: [Double]
    let values: Tensor
    let result: Tensor
    let classes: Int
    let inner: Int

    func visit<Element: TensorElement & FixedWidthInteger>(_ type: Element.Type) throws {
      let pair = values.elements(type)
      let out = result.mutableElements(type)
      out.update(repeating: pair[0])
      for (index, number) in numbers.enumerated() {
        let counted = number < 0 ? number + Double(classes) : number
        guard counted >= 0, counted < Double(classes) else { continue }
        out[(index / inner * classes + Int(counted)) * inner + index % inner] = pair[1]
      }
    }
  }

  private static let reverseSequence = OperatorDefinition(
    "ReverseSequence", types: "all",
    tensors: { settings in
      let batchAxis = try settings.int("batch_axis", default: 1)
      let timeAxis = try settings.int("time_axis", default: 0)
      return { call in
        let input = try call.tensor(0)
        guard let lengths = try call.integers(1) else {
          throw KernelProblem("the lengths are missing")
        }
        let batch = try resolvedAxis(batchAxis, rank: input.rank)
        let time = try resolvedAxis(timeAxis, rank: input.rank)
        guard batch != time, lengths.count == input.shape[batch],
          lengths.allSatisfy({ (0...input.shape[time]).contains($0) })
        else { throw KernelProblem("the lengths do not fit \(input.description)") }
        try checkRank(input.rank)
        let result = call.context.allocate(input.elementType, input.shape)
        for (sample, length) in lengths.enumerated() {
          for (range, isReversed) in [(0..<length, true), (length..<input.shape[time], false)] {
            var shape = input.shape
            shape[batch] = 1
            shape[time] = range.count
            var to = StridedPlace(result)
            to.offset = sample * to.strides[batch] + range.lowerBound * to.strides[time]
            var from = to
            if isReversed {
              from.offset = sample * to.strides[batch] + max(0, length - 1) * to.strides[time]
              from.strides[time] = -to.strides[time]
            }
            copyBlock(shape, from: input, from, to: result, to)
          }
        }
        return [result]
      }
    })
}
