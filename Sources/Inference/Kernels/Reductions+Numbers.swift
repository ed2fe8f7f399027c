import CKernels
import Glibc
import ModelGraph

/// One reduction of one tensor, in the element type's own arithmetic.
struct ReductionVisitor {
  let reduction: Reduction
  let data: Tensor
  let result: Tensor
  let context: RunContext

  private var kind: ReductionKind { reduction.kind }
  /// How many values each result joins.
  private var extent: Int { reduction.extent(in: data.shape) }

  // MARK: float32

  /// Sums in float32 in C; see `gs_reduce_rows`.
  func reduceFloats() throws {
    guard data.count > 0 else { return fill(Float(emptyValue)) }
    var operation = Self.operation(kind)
    var source = data
    let passes = reduction.passes(over: data)
    for (index, pass) in passes.enumerated() {
      let target =
        index == passes.count - 1
        ? result : try context.allocate(.float32, [pass.outer, pass.inner])
      try run(operation, pass, from: source, to: target)
      source = target
      if operation == GS_REDUCE_SUM_MAGNITUDES || operation == GS_REDUCE_SUM_SQUARES {
        operation = GS_REDUCE_SUM
      }
    }
    finishFloats()
  }

  private static func operation(_ kind: ReductionKind) -> gs_reduction {
    switch kind {
    case .sum, .mean, .logSum: GS_REDUCE_SUM
    case .product: GS_REDUCE_PRODUCT
    case .maximum: GS_REDUCE_MAXIMUM
    case .minimum: GS_REDUCE_MINIMUM
    case .magnitudes: GS_REDUCE_SUM_MAGNITUDES
    case .norm, .squares: GS_REDUCE_SUM_SQUARES
    case .logSumExp: GS_REDUCE_LOG_SUM_EXP
    }
  }

  private func run(
    _ operation: gs_reduction, _ pass: AxisBlock, from source: Tensor, to target: Tensor
  ) throws {
    let operation = Int32(operation.rawValue)
    let (extent, inner) = (pass.extent, pass.inner)
    if inner == 1 {
      try context.forEachPiece(of: pass.outer, cost: extent) { rows in
        gs_reduce_rows(
          operation, source.start(Float.self) + rows.lowerBound * extent, rows.count, extent,
          target.writableStart(Float.self) + rows.lowerBound)
      }
      return
    }
    let tile = min(inner, 256)
    let tiles = (inner + tile - 1) / tile
    try context.forEach(pass.outer * tiles, cost: extent * tile) { item in
      let (block, column) = (item / tiles, item % tiles * tile)
      gs_reduce_columns(
        operation, source.start(Float.self) + block * extent * inner + column, extent, inner,
        min(tile, inner - column), target.writableStart(Float.self) + block * inner + column)
    }
  }

  private func finishFloats() {
    let out = result.mutableElements(Float.self)
    switch kind {
    case .mean:
      let divisor = Float(extent)
      for index in out.indices { out[index] /= divisor }
    case .norm: for index in out.indices { out[index] = out[index].squareRoot() }
    case .logSum: for index in out.indices { out[index] = Float(log(Double(out[index]))) }
    default: break
    }
  }

  // MARK: Other types

  /// Doubles, in double.
  func reduceDoubles() throws {
    guard data.count > 0 else { return fill(emptyValue) }
    switch kind {
    case .sum, .mean, .logSum: try fold(Double.self) { $0 + $1 }
    case .product: try fold(Double.self) { $0 * $1 }
    case .maximum: try fold(Double.self) { $1 > $0 || $1.isNaN ? $1 : $0 }
    case .minimum: try fold(Double.self) { $1 < $0 || $1.isNaN ? $1 : $0 }
    case .magnitudes: try fold(Double.self, term: { abs($0) }, join: { $0 + $1 })
    case .norm, .squares: try fold(Double.self, term: { $0 * $0 }, join: { $0 + $1 })
    case .logSumExp: try logSumExp()
    }
    let out = result.mutableElements(Double.self)
    switch kind {
    case .mean: for index in out.indices { out[index] /= Double(extent) }
    case .norm: for index in out.indices { out[index] = out[index].squareRoot() }
    case .logSum: for index in out.indices { out[index] = log(out[index]) }
    default: break
    }
  }

  /// Integers, wrapping; roots and logarithms are cut to integers.
  func reduceIntegers<Element: NumberElement & FixedWidthInteger>(_ type: Element.Type) throws {
    guard data.count > 0 else { return fill(Element(converting: emptyValue)) }
    switch kind {
    case .sum, .mean, .logSum: try fold(type) { $0 &+ $1 }
    case .product: try fold(type) { $0 &* $1 }
    case .maximum: try fold(type) { max($0, $1) }
    case .minimum: try fold(type) { min($0, $1) }
    case .magnitudes:
      try fold(type, term: { Element(truncatingIfNeeded: $0.magnitude) }, join: { $0 &+ $1 })
    case .norm, .squares: try fold(type, term: { $0 &* $0 }, join: { $0 &+ $1 })
    case .logSumExp: return try throughDoubles(type)
    }
    let out = result.mutableElements(type)
    switch kind {
    case .mean:
      let divisor = Element(exactly: extent)
      for index in out.indices { out[index] = divisor.map { out[index] / $0 } ?? 0 }
    case .norm:
      for index in out.indices {
        out[index] = Element(converting: out[index].asDouble.squareRoot())
      }
    case .logSum:
      for index in out.indices { out[index] = Element(converting: log(out[index].asDouble)) }
    default: break
    }
  }

  /// Truth values, false below true.
  func reduceTruths() throws {
    guard data.count > 0 else { return fill(UInt8(kind == .minimum ? 1 : 0)) }
    if kind == .maximum {
      try fold(UInt8.self) { max($0, $1) }
    } else {
      try fold(UInt8.self) { min($0, $1) }
    }
  }

  private func throughDoubles<Element: NumberElement>(_ type: Element.Type) throws {
    let values = try context.allocate(.float64, data.shape, layout: data.layout)
    let wide = values.mutableElements(Double.self)
    for (index, value) in data.elements(type).enumerated() { wide[index] = value.asDouble }
    let reduced = try context.allocate(.float64, result.shape, layout: result.layout)
    let visitor = ReductionVisitor(
      reduction: reduction, data: values, result: reduced, context: context)
    try visitor.reduceDoubles()
    let out = result.mutableElements(type)
    for (index, value) in reduced.elements(Double.self).enumerated() {
      out[index] = Element(converting: value)
    }
  }

  /// The result of joining nothing; of a mean, as onnxruntime has it.
  private var emptyValue: Double {
    switch kind {
    case .sum, .mean, .magnitudes, .norm, .squares: 0
    case .product: 1
    case .maximum, .logSum, .logSumExp: -.infinity
    case .minimum: .infinity
    }
  }

  private func fill<Element: TensorElement>(_ value: Element) {
    result.mutableElements(Element.self).update(repeating: value)
  }

  /// Joins values one after the other; the first pass applies `term` to each.
  @inline(__always)
  private func fold<Element: TensorElement>(
    _ type: Element.Type, term: (Element) -> Element = { $0 },
    join: (Element, Element) -> Element
  ) throws {
    var source = data
    let passes = reduction.passes(over: data)
    for (index, pass) in passes.enumerated() {
      let isLast = index == passes.count - 1
      let target =
        try isLast ? result : context.allocate(result.elementType, [pass.outer, pass.inner])
      let values = source.elements(type)
      let out = target.mutableElements(type)
      for block in 0..<pass.outer {
        for step in 0..<pass.extent {
          let start = (block * pass.extent + step) * pass.inner
          for column in 0..<pass.inner {
            let value = index == 0 ? term(values[start + column]) : values[start + column]
            let place = block * pass.inner + column
            out[place] = step == 0 ? value : join(out[place], value)
          }
        }
      }
      source = target
    }
  }

  /// The largest value taken out of the exponentials' sum, so that nothing overflows.
  private func logSumExp() throws {
    var source = data
    let passes = reduction.passes(over: data)
    for (index, pass) in passes.enumerated() {
      let isLast = index == passes.count - 1
      let target = try isLast ? result : context.allocate(.float64, [pass.outer, pass.inner])
      let values = source.elements(Double.self)
      let out = target.mutableElements(Double.self)
      for place in 0..<pass.outer * pass.inner {
        let start = place / pass.inner * pass.extent * pass.inner + place % pass.inner
        var largest = -Double.infinity
        for step in 0..<pass.extent {
          let value = values[start + step * pass.inner]
          if value > largest || value.isNaN { largest = value }
        }
        var sum = 0.0
        for step in 0..<pass.extent { sum += exp(values[start + step * pass.inner] - largest) }
        out[place] = largest.isFinite ? largest + log(sum) : largest
      }
      source = target
    }
  }
}
