import CKernels
import ModelGraph

extension Families {
  /// Operators that look for order: the greatest elements, their places, running sums.
  static let sorting = [topK, unique, argMax, argMin, cumSum]

  private static let topK = OperatorDefinition(
    "TopK", versions: "k as an attribute before 10; largest and sorted since 11",
    types: "float, integers",
    tensors: { settings in
      let axis = try settings.int("axis", default: -1)
      let known = try settings.int("k")
      let takesLargest = try settings.flag("largest", default: true)
      return wideningHalves { call in
        let tensor = try call.tensor(0)
        let axis = try resolvedAxis(axis, rank: tensor.rank)
        guard let k = try known ?? call.integers(1)?.first, (0...tensor.shape[axis]).contains(k)
        else {
          throw KernelProblem(
            "k is missing, or not a part of axis \(axis) of \(tensor.description)")
        }
        var shape = tensor.shape
        shape[axis] = k
        let values = try call.context.allocate(tensor.elementType, shape)
        let places = try call.context.allocate(.int64, shape)
        if values.count > 0 {
          try tensor.elementType.ordered.visitNumber(
            TopSelection(
              tensor: tensor, axis: axis, k: k, takesLargest: takesLargest, values: values,
              places: places, context: call.context))
        }
        return [values, places]
      }
    })

  private static let argMax = argOperator("ArgMax", least: false)
  private static let argMin = argOperator("ArgMin", least: true)

  private static func argOperator(_ name: String, least: Bool) -> OperatorDefinition {
    OperatorDefinition(
      name, versions: "select_last_index since 12", types: "float, integers", layouts: .any,
      tensors: { settings in
        let axis = try settings.int("axis", default: 0)
        let keepsAxis = try settings.flag("keepdims", default: true)
        let takesLast = try settings.flag("select_last_index")
        return { call in
          var tensor = try call.tensor(0).widened(call.context)
          let axis = try resolvedAxis(axis, rank: tensor.rank)
          if axis != 1 { tensor = try tensor.converted(to: .rowMajor, call.context) }
          guard tensor.shape[axis] > 0 || tensor.count == 0 && hasOtherEmptyAxis(tensor, axis)
          else { throw KernelProblem("axis \(axis) of \(tensor.description) has no elements") }
          var shape = tensor.shape
          shape[axis] = 1
          // Without its channels a channels-last tensor is row-major.
          let result = try call.context.allocate(.int64, shape)
          if result.count > 0 {
            try findExtremes(
              tensor, axis: axis, least: least, last: takesLast, into: result, call.context)
          }
          if !keepsAxis { shape.remove(at: axis) }
          return [result.reshaped(shape)]
        }
      })
  }

  private static func hasOtherEmptyAxis(_ tensor: Tensor, _ axis: Int) -> Bool {
    tensor.shape.indices.contains { $0 != axis && tensor.shape[$0] == 0 }
  }

  private static func findExtremes(
    _ tensor: Tensor, axis: Int, least: Bool, last: Bool, into result: Tensor,
    _ context: RunContext
  ) throws {
    let (rows, inner) = frame(of: tensor.shape, layout: tensor.layout, axis: axis)
    let extent = tensor.shape[axis]
    let places = result.mutableElements(Int64.self)
    guard tensor.elementType == .float32 else {
      return try tensor.elementType.ordered.visitNumber(
        ExtremeSearch(
          tensor: tensor, rows: rows, extent: extent, inner: inner, least: least, last: last,
          places: places))
    }
    nonisolated(unsafe) let (values, out) = (tensor.elements(Float.self), places)
    try forEachChunk(of: rows, cost: extent * inner, context) { chunk in
      for row in chunk {
        guard let source = values.baseAddress, let target = out.baseAddress else { return }
        gs_place_of_extreme(
          source + row * extent * inner, extent, inner, least ? 1 : 0, last ? 1 : 0,
          target + row * inner)
      }
    }
  }

  /// Calls `body` for ranges of 0..<count, on all workers where it is much.
  private static func forEachChunk(
    of count: Int, cost: Int, _ context: RunContext, _ body: @Sendable (Range<Int>) -> Void
  ) throws {
    let size = max(1, (1 << 14) / max(1, cost))
    try context.forEach((count + size - 1) / size, cost: size &* cost) { chunk in
      body(chunk * size..<min(count, (chunk + 1) * size))
    }
  }

  private static let cumSum = OperatorDefinition(
    "CumSum", types: "float, integers",
    tensors: { settings in
      let isExclusive = try settings.flag("exclusive")
      let isReverse = try settings.flag("reverse")
      return wideningHalves { call in
        let tensor = try call.tensor(0)
        guard let axis = try call.integers(1)?.first else {
          throw KernelProblem("the axis is missing")
        }
        let result = try call.context.allocate(tensor.elementType, tensor.shape)
        let (rows, inner) = frame(
          of: tensor.shape, layout: .rowMajor, axis: try resolvedAxis(axis, rank: tensor.rank))
        let sums = RunningSum(
          tensor: tensor, result: result, rows: rows, inner: inner, isExclusive: isExclusive,
          isReverse: isReverse, context: call.context)
        if tensor.count > 0 { try tensor.elementType.visitNumber(sums) }
        return [result]
      }
    })
}

/// Takes the k first of each line in descending (or ascending) order, the first of equal ones first.
///
/// Candidates are collected until there are twice as many as wanted; sorting them then gives a
/// bound that few later elements pass.
private struct TopSelection: NumberVisitor {
  let tensor: Tensor
  let axis: Int
  let k: Int
  let takesLargest: Bool
  let values: Tensor
  let places: Tensor
  let context: RunContext

  func visit<Element: NumberElement>(_ type: Element.Type) throws {
    let (rows, inner) = Families.frame(of: tensor.shape, layout: .rowMajor, axis: axis)
    let extent = tensor.shape[axis]
    let room = min(extent, max(2 * k, 256))
    let candidates = try context.pairs(2 * room)
    let (source, out) = (tensor.elements(type), values.mutableElements(type))
    let indices = places.mutableElements(Int64.self)
    for line in 0..<rows * inner {
      let (row, column) = (line / inner, line % inner)
      let start = row * extent * inner + column
      select(source, from: start, step: inner, candidates, room: room)
      for rank in 0..<k {
        let place = Int(candidates[rank].place)
        let target = (row * k + rank) * inner + column
        out[target] = source[start + place * inner]
        indices[target] = Int64(place)
      }
    }
  }

  private func select<Element: NumberElement>(
    _ source: UnsafeBufferPointer<Element>, from start: Int, step: Int,
    _ candidates: UnsafeMutablePointer<gs_pair>, room: Int
  ) {
    let mask: UInt64 = takesLargest ? .max : 0
    var count = 0
    var bound = UInt64.max
    var isBounded = false
    for place in 0..<tensor.shape[axis] {
      let key = source[start + place * step].orderKey ^ mask
      if isBounded, key >= bound { continue }
      if count == room {
        gs_sort_pairs(candidates, candidates + room, count)
        count = k
        bound = candidates[k - 1].key
        isBounded = true
        if key >= bound { continue }
      }
      candidates[count] = gs_pair(key: key, place: UInt64(place))
      count += 1
    }
    gs_sort_pairs(candidates, candidates + room, count)
  }
}

/// Looks for the place of the greatest or least element along an axis.
private struct ExtremeSearch: NumberVisitor {
  let tensor: Tensor
  let rows: Int
  let extent: Int
  let inner: Int
  let least: Bool
  let last: Bool
  let places: UnsafeMutableBufferPointer<Int64>

  func visit<Element: NumberElement>(_ type: Element.Type) throws {
    let values = tensor.elements(type)
    for line in 0..<rows * inner {
      let start = line / inner * extent * inner + line % inner
      var best = start
      var found = 0
      for place in 1..<max(1, extent) {
        let next = start + place * inner
        let (value, held) = (values[next], values[best])
        let isBetter = least ? value < held : value > held
        if isBetter || last && value == held { (best, found) = (next, place) }
      }
      places[line] = Int64(found)
    }
  }
}

/// Sums up along an axis, float32 in double precision.
private struct RunningSum: NumberVisitor {
  let tensor: Tensor
  let result: Tensor
  let rows: Int
  let inner: Int
  let isExclusive: Bool
  let isReverse: Bool
  let context: RunContext

  func visit<Element: NumberElement>(_ type: Element.Type) throws {
    let extent = tensor.count / rows / inner
    if tensor.elementType == .float32 { return try sumFloats(extent) }
    let (values, out) = (tensor.elements(type), result.mutableElements(type))
    for line in 0..<rows * inner {
      let start = line / inner * extent * inner + line % inner
      var sum = Element.zero
      for place in 0..<extent {
        let next = start + (isReverse ? extent - 1 - place : place) * inner
        let before = sum
        sum = sum.addingProduct(wrapping: values[next], 1)
        out[next] = isExclusive ? before : sum
      }
    }
  }

  private func sumFloats(_ extent: Int) throws {
    let sums = try context.scratch(Double.self, inner)
    guard let values = tensor.elements(Float.self).baseAddress,
      let out = result.mutableElements(Float.self).baseAddress
    else { return }
    for row in 0..<rows {
      let start = row * extent * inner
      gs_running_sum(
        values + start, extent, inner, isExclusive ? 1 : 0, isReverse ? 1 : 0, sums.baseAddress,
        out + start)
    }
  }
}
