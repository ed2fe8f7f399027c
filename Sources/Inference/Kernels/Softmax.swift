import CKernels
import Glibc
import ModelGraph

extension Families {
  /// Softmax, LogSoftmax and Hardmax.
  static let softmax: [OperatorDefinition] = [
    softmax("Softmax", takesLogarithm: false), softmax("LogSoftmax", takesLogarithm: true), hardmax,
  ]

  private static let versions =
    "flattened to two axes before 13 (axis 1 by default), one axis since (the last by default)"

  private static func softmax(_ name: String, takesLogarithm: Bool) -> OperatorDefinition {
    OperatorDefinition(
      name, versions: versions, layouts: .any,
      tensors: { settings in
        let axis = try SoftmaxAxis(settings)
        return wideningHalves { call in
          let (data, result) = try call.tensorForRewriting(0)
          let block = try axis.block(of: data)
          guard data.count > 0 else { return [result] }
          switch data.elementType {
          case .float32:
            try softmax(
              data, into: result, block, takesLogarithm: takesLogarithm, context: call.context)
          case .float64: softmax(data, into: result, block, takesLogarithm: takesLogarithm)
          default:
            throw KernelProblem("\(data.elementType.name) has no exponential")
          }
          return [result]
        }
      })
  }

  private static let hardmax = OperatorDefinition(
    "Hardmax", versions: versions,
    tensors: { settings in
      let axis = try SoftmaxAxis(settings)
      return wideningHalves { call in
        let data = try call.tensor(0)
        let block = try axis.block(of: data)
        let result = try call.context.allocate(data.elementType, data.shape)
        switch data.elementType {
        case .float32: hardmax(Float.self, data, into: result, block)
        case .float64: hardmax(Double.self, data, into: result, block)
        default: throw KernelProblem("\(data.elementType.name) is not a floating-point type")
        }
        return [result]
      }
    })

  /// float32 in C, the rows or columns spread over workers.
  static func softmax(
    _ data: Tensor, into result: Tensor, _ block: AxisBlock, takesLogarithm: Bool,
    context: RunContext
  ) throws {
    let logarithm: Int32 = takesLogarithm ? 1 : 0
    let (extent, inner) = (block.extent, block.inner)
    if inner == 1 {
      try context.forEachPiece(of: block.outer, cost: extent * 8) { rows in
        let offset = rows.lowerBound * extent
        gs_softmax_rows(
          data.start(Float.self) + offset, rows.count, extent, logarithm,
          result.writableStart(Float.self) + offset)
      }
      return
    }
    let tile = min(inner, 256)
    let tiles = (inner + tile - 1) / tile
    try context.forEach(block.outer * tiles, cost: extent * tile * 8) { item in
      let column = item % tiles * tile
      let offset = item / tiles * extent * inner + column
      gs_softmax_columns(
        data.start(Float.self) + offset, extent, inner, min(tile, inner - column), logarithm,
        result.writableStart(Float.self) + offset)
    }
  }

  /// Doubles, one result after the other.
  static func softmax(
    _ data: Tensor, into result: Tensor, _ block: AxisBlock, takesLogarithm: Bool
  ) {
    let values = data.elements(Double.self)
    let out = result.mutableElements(Double.self)
    for place in 0..<block.outer * block.inner {
      let start = place / block.inner * block.extent * block.inner + place % block.inner
      let places = stride(from: start, to: start + block.extent * block.inner, by: block.inner)
      var largest = -Double.infinity
      for index in places where values[index] > largest { largest = values[index] }
      var sum = 0.0
      for index in places { sum += exp(values[index] - largest) }
      let shift = log(sum)
      for index in places {
        let value = values[index] - largest
        out[index] = takesLogarithm ? value - shift : exp(value) / sum
      }
    }
  }

  /// 1 at the first of the largest values, 0 elsewhere.
  private static func hardmax<Element: NumberElement>(
    _ type: Element.Type, _ data: Tensor, into result: Tensor, _ block: AxisBlock
  ) {
    let values = data.elements(type)
    let out = result.mutableElements(type)
    out.update(repeating: 0)
    guard data.count > 0 else { return }
    for place in 0..<block.outer * block.inner {
      let start = place / block.inner * block.extent * block.inner + place % block.inner
      var best = start
      for step in 1..<max(1, block.extent) where values[start + step * block.inner] > values[best] {
        best = start + step * block.inner
      }
      out[best] = 1
    }
  }
}

/// Over which axes a softmax goes.
private struct SoftmaxAxis: Sendable {
  private let axis: Int
  /// Before version 13 all axes from the named one on.
  private let flattens: Bool

  init(_ settings: NodeSettings) throws {
    flattens = settings.version < 13
    axis = try settings.int("axis", default: flattens ? 1 : -1)
  }

  /// The axes as a block in memory. In channels-last order the axes from any axis on lie together
  /// too.
  func block(of data: Tensor) throws -> AxisBlock {
    try data.checkExtents()
    let physical = data.layout.physicalShape(data.shape)
    guard flattens else {
      if data.rank == 0, axis == 0 || axis == -1 { return AxisBlock([1], axes: 0..<1) }
      let axis = try resolvedAxis(axis, rank: data.rank)
      let place = data.layout.physicalAxis(axis, rank: data.rank)
      return AxisBlock(physical, axes: place..<place + 1)
    }
    let axis = axis == data.rank ? axis : try resolvedAxis(axis, rank: data.rank)
    guard data.layout == .channelsLast, axis > 1 else {
      return AxisBlock(physical, axes: axis..<data.rank)
    }
    return AxisBlock(physical, axes: axis - 1..<data.rank - 1)
  }
}
