import CKernels
import ModelGraph

extension Families {
  /// Operators that pick or place elements by index.
  static let indexing =
    [gather, gatherElements, gatherND, compress, nonZero, oneHot] + scattering

  private static let gather = OperatorDefinition(
    "Gather", versions: "negative indices since 11", types: "all",
    tensors: { settings in
      let axis = try settings.int("axis", default: 0)
      return { call in
        let data = try call.tensor(0)
        let places = try call.tensor(1)
        let axis = try resolvedAxis(axis, rank: data.rank)
        let extent = data.shape[axis]
        var shape = data.shape
        if places.rank == 0 {
          shape.remove(at: axis)
        } else {
          shape.replaceSubrange(axis...axis, with: places.shape)
        }
        let result = try call.context.allocate(data.elementType, shape)
        let (rows, inner) = frame(of: data.shape, layout: .rowMajor, axis: axis)
        if places.count == 1 {
          let place = try call.index(places, extent: extent)
          if result.count == 0 { return [result] }
          let run = inner * data.width
          try moveRows(
            data.start + place * run, stride: extent * run, to: result.target, stride: run,
            rows: rows, run: run, call.context)
          return [result]
        }
        let indices = try call.indices(places, extent: extent)
        if result.count == 0 { return [result] }
        try pickRows(
          data, indices, rows: rows, extent: extent, run: inner * data.width, into: result,
          call.context)
        return [result]
      }
    })

  /// Copies, `rows` times over, the runs of `run` bytes that indices name among `extent` of them.
  private static func pickRows(
    _ data: Tensor, _ indices: UnsafeBufferPointer<Int64>, rows: Int, extent: Int, run: Int,
    into result: Tensor, _ context: RunContext
  ) throws {
    let isShared = context.workers.workerCount > 1 && result.byteCount >= 1 << 18
    let chunk = isShared && rows == 1 ? max(1, (1 << 16) / run) : indices.count
    let chunks = (indices.count + chunk - 1) / chunk
    nonisolated(unsafe) let (source, target) = (data.start, result.target)
    nonisolated(unsafe) let list = indices
    try context.forEach(rows * chunks, cost: chunk * run / 4) { item in
      let (row, begin) = (item / chunks, item % chunks * chunk)
      let part = UnsafeBufferPointer(rebasing: list[begin..<min(list.count, begin + chunk)])
      gs_gather_rows(
        source + row * extent * run, part.baseAddress, part.count, run,
        target + (row * list.count + begin) * run)
    }
  }

  private static let gatherElements = OperatorDefinition(
    "GatherElements", types: "all",
    tensors: { settings in
      let axis = try settings.int("axis", default: 0)
      return { call in
        let data = try call.tensor(0)
        let places = try call.tensor(1)
        let lines = try ElementLines(data, places, axis: axis, call)
        let result = try call.context.allocate(data.elementType, places.shape)
        try data.elementType.visitWidth(ElementPicking(lines: lines, data: data, result: result))
        return [result]
      }
    })

  private struct ElementPicking: WidthVisitor {
    let lines: ElementLines
    let data: Tensor
    let result: Tensor

    func visit<Element: TensorElement & FixedWidthInteger>(_ type: Element.Type) throws {
      let (source, out) = (data.elements(type), result.mutableElements(type))
      lines.forEach { line, base in
        for column in 0..<lines.length {
          out[line + column] = source[lines.place(line + column, column, base)]
        }
      }
    }
  }

  private static let gatherND = OperatorDefinition(
    "GatherND", versions: "batch_dims since 12", types: "all",
    tensors: { settings in
      let batchAxes = try settings.int("batch_dims", default: 0)
      return { call in
        let data = try call.tensor(0)
        let places = try call.tensor(1)
        let tuples = try IndexTuples(places, in: data, batchAxes: batchAxes, call)
        let shape = places.shape.dropLast() + data.shape[(batchAxes + tuples.length)...]
        let result = try call.context.allocate(data.elementType, Array(shape))
        if result.count > 0 {
          gs_gather_rows(
            data.start, tuples.rows.baseAddress, tuples.rows.count, tuples.inner * data.width,
            result.target)
        }
        return [result]
      }
    })

  private static let compress = OperatorDefinition(
    "Compress", versions: "negative axis since 11", types: "all",
    tensors: { settings in
      let axis = try settings.int("axis")
      return { call in
        var data = try call.tensor(0)
        if axis == nil { data = data.reshaped([data.count]) }
        let axis = try resolvedAxis(axis ?? 0, rank: data.rank)
        let condition = try call.tensor(1, .bool).elements(UInt8.self)
        let chosen = try call.context.scratch(Int64.self, condition.count)
        var count = 0
        for place in 0..<condition.count where condition[place] != 0 {
          chosen[count] = Int64(place)
          count += 1
        }
        guard count == 0 || chosen[count - 1] < data.shape[axis] else {
          throw KernelProblem(
            "a condition of \(condition.count) elements is too long for axis \(axis) of "
              + data.description)
        }
        var shape = data.shape
        shape[axis] = count
        let result = try call.context.allocate(data.elementType, shape)
        if result.count == 0 { return [result] }
        let (rows, inner) = frame(of: data.shape, layout: .rowMajor, axis: axis)
        try pickRows(
          data, UnsafeBufferPointer(rebasing: chosen[..<count]), rows: rows,
          extent: data.shape[axis], run: inner * data.width, into: result, call.context)
        return [result]
      }
    })

  private static let nonZero = OperatorDefinition(
    "NonZero", types: "float, integers, bool",
    tensors: { _ in
      { call in
        let tensor = try call.tensor(0)
        let found = try call.context.scratch(Int64.self, tensor.count)
        let count = try tensor.elementType.visitWidth(NonZeroScan(tensor: tensor, found: found))
        let result = try call.context.allocate(.int64, [max(1, tensor.rank), count])
        let out = result.mutableElements(Int64.self)
        if tensor.rank == 0 { for place in 0..<count { out[place] = 0 } }
        var step: Int64 = 1
        for axis in tensor.shape.indices.reversed() where count > 0 {
          let extent = Int64(tensor.shape[axis])
          for place in 0..<count { out[axis * count + place] = found[place] / step % extent }
          step *= extent
        }
        return [result]
      }
    })

  private struct NonZeroScan: WidthVisitor {
    let tensor: Tensor
    let found: UnsafeMutableBufferPointer<Int64>

    func visit<Element: TensorElement & FixedWidthInteger>(_ type: Element.Type) throws -> Int {
      let values = tensor.elements(type)
      // A sign alone doesn't make a floating-point zero another number.
      let mask = tensor.elementType.isFloat ? Element.max >> 1 : Element.max
      var count = 0
      for place in 0..<values.count where values[place] & mask != 0 {
        found[count] = Int64(place)
        count += 1
      }
      return count
    }
  }

  private static let oneHot = OperatorDefinition(
    "OneHot", versions: "negative indices since 11", types: "all",
    tensors: { settings in
      let axis = try settings.int("axis", default: -1)
      return { call in
        let places = try call.tensor(0)
        let values = try call.tensor(2)
        guard let depth = try call.scalar(1), depth >= 0, depth < 1e15, values.count == 2 else {
          throw KernelProblem("the depth is not a size, or there are not two values")
        }
        let classes = Int(depth)
        let axis = try resolvedAxis(axis, rank: places.rank + 1)
        var shape = places.shape
        shape.insert(classes, at: axis)
        let result = try call.context.allocate(values.elementType, shape)
        let inner = shape[(axis + 1)...].reduce(1, &*)
        try values.elementType.visitWidth(
          OneHotFilling(
            places: places.doubles(), values: values, result: result, classes: classes, inner: inner
          ))
        return [result]
      }
    })

  private struct OneHotFilling: WidthVisitor {
    let places: [Double]
    let values: Tensor
    let result: Tensor
    let classes: Int
    let inner: Int

    func visit<Element: TensorElement & FixedWidthInteger>(_ type: Element.Type) throws {
      let pair = values.elements(type)
      let out = result.mutableElements(type)
      out.update(repeating: pair[0])
      for (index, number) in places.enumerated() {
        let counted = number < 0 ? number + Double(classes) : number
        guard counted >= 0, counted < Double(classes) else { continue }
        out[(index / inner * classes + Int(counted)) * inner + index % inner] = pair[1]
      }
    }
  }
}
