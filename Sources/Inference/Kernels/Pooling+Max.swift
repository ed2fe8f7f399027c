import CKernels
import Glibc
import ModelGraph

/// A power, by the C library.
func raised(_ base: Double, to exponent: Double) -> Double { pow(base, exponent) }

extension Families {
  static let maxPool = OperatorDefinition(
    "MaxPool",
    versions: "Indices since 8, ceil_mode and dilations since 10; one to three spatial axes",
    types: "float, int8, uint8", layouts: .any,
    tensors: { settings in
      let windows = try PoolWindows(settings)
      let countsColumnsFirst = try settings.flag("storage_order")
      let wantsIndices = settings.hasOutput(1)
      return { call in
        let given = try call.tensor(0)
        let data = try given.widened(call.context)
        if wantsIndices {
          let search = MaximumSearch(windows: windows, countsColumnsFirst: countsColumnsFirst)
          let (values, places) = try search.pool(
            data.converted(to: .rowMajor, call.context), call.context)
          return try [values.narrowed(to: given.elementType, call.context), places]
        }
        if data.elementType == .float32 {
          let pooled = try windows.poolLines(data, call.context) {
            gs_max_pool_line($0, $1, $2, $3, $4, $5)
          }
          return try [pooled.narrowed(to: given.elementType, call.context)]
        }
        let visitor = MaximumVisitor(windows: windows, data: data, context: call.context)
        return [try data.elementType.visitNumber(visitor)]
      }
    })
}

/// Largest values of windows, of any number type.
private struct MaximumVisitor: NumberVisitor {
  let windows: PoolWindows
  let data: Tensor
  let context: RunContext

  func visit<Element: NumberElement>(_ type: Element.Type) throws -> Tensor {
    try data.checkExtents()
    let axes = try windows.axes(for: data.shape)
    let shape = try windows.shape(of: data, axes)
    let result = try context.allocate(data.elementType, shape, layout: data.layout)
    guard result.count > 0 else { return result }
    let isLast = result.layout == .channelsLast
    let channels = isLast ? data.shape[1] : 1
    let samples = isLast ? data.shape[0] : data.shape[0] * data.shape[1]
    let sampleSize = axes.reduce(channels) { $0 * $1.in }
    let places = axes.reduce(1) { $0 * $1.out }
    let (data, lowest) = (data, Element(converting: -.infinity))
    try context.forEachPiece(of: samples * places, cost: channels * 9) { items in
      for item in items {
        let target = UnsafeMutableBufferPointer(
          start: result.writableStart(type) + item * channels, count: channels)
        target.update(repeating: lowest)
        Self.take(
          data.start(type) + item / places * sampleSize, axes, place: item % places,
          into: target)
      }
    }
    return result
  }

  private static func take<Element: NumberElement>(
    _ sample: UnsafePointer<Element>, _ axes: [gs_pool_axis], place: Int,
    into best: UnsafeMutableBufferPointer<Element>
  ) {
    let (rows, columns) = (axes[1].out, axes[2].out)
    let (z, y, x) = (place / (columns * rows), place / columns % rows, place % columns)
    for depth in axes[0].steps(at: z) {
      let plane = (axes[0].start(z) + depth * axes[0].dilation) * axes[1].in
      for height in axes[1].steps(at: y) {
        let line = (plane + axes[1].start(y) + height * axes[1].dilation) * axes[2].in
        for step in axes[2].steps(at: x) {
          let pixel = sample + (line + axes[2].start(x) + step * axes[2].dilation) * best.count
          for channel in 0..<best.count where pixel[channel] > best[channel] {
            best[channel] = pixel[channel]
          }
        }
      }
    }
  }
}

/// Largest values of windows and where they are.
private struct MaximumSearch: Sendable {
  let windows: PoolWindows
  /// Whether an index counts the first spatial axis fastest.
  let countsColumnsFirst: Bool

  /// Results and their indices in the whole tensor.
  ///
  /// - Precondition: `data` is row-major.
  func pool(_ data: Tensor, _ context: RunContext) throws -> (values: Tensor, places: Tensor) {
    try data.checkExtents()
    let axes = try windows.axes(for: data.shape)
    let shape = try windows.shape(of: data, axes)
    let values = try context.allocate(data.elementType, shape)
    let places = try context.allocate(.int64, shape)
    guard values.count > 0 else { return (values, places) }
    let planeSize = axes.reduce(1) { $0 * $1.in }
    let resultSize = axes.reduce(1) { $0 * $1.out }
    let work = try data.elementType.visitNumber(
      SearchMaker(search: self, axes: axes, data: data, values: values, places: places))
    try context.forEach(values.count / resultSize, cost: resultSize * 9) { plane in
      work(plane * planeSize, plane * resultSize)
    }
    return (values, places)
  }

  fileprivate func search<Element: NumberElement>(
    _ data: UnsafePointer<Element>, _ axes: [gs_pool_axis], planeStart: Int,
    _ values: UnsafeMutablePointer<Element>, _ places: UnsafeMutablePointer<Int64>
  ) {
    var place = 0
    for z in 0..<axes[0].out {
      for y in 0..<axes[1].out {
        for x in 0..<axes[2].out {
          let (value, index) = largest(data, axes, (z, y, x))
          values[place] = value
          places[place] = Int64(planeStart + index)
          place += 1
        }
      }
    }
  }

  private func largest<Element: NumberElement>(
    _ data: UnsafePointer<Element>, _ axes: [gs_pool_axis], _ at: (z: Int, y: Int, x: Int)
  ) -> (value: Element, index: Int) {
    var best: (value: Element, index: Int)?
    for depth in axes[0].steps(at: at.z) {
      let z = axes[0].start(at.z) + depth * axes[0].dilation
      for height in axes[1].steps(at: at.y) {
        let y = axes[1].start(at.y) + height * axes[1].dilation
        for step in axes[2].steps(at: at.x) {
          let x = axes[2].start(at.x) + step * axes[2].dilation
          let value = data[(z * axes[1].in + y) * axes[2].in + x]
          guard best.map({ value > $0.value }) ?? true else { continue }
          best = (value, index(axes, z, y, x))
        }
      }
    }
    return best ?? (Element(converting: -.infinity), 0)
  }

  private func index(_ axes: [gs_pool_axis], _ z: Int, _ y: Int, _ x: Int) -> Int {
    guard countsColumnsFirst else { return (z * axes[1].in + y) * axes[2].in + x }
    switch windows.extents.count {
    case 1: return x
    case 2: return y + x * axes[1].in
    default: return z + (y + x * axes[1].in) * axes[0].in
    }
  }
}

/// Makes the search for one element type.
private struct SearchMaker: NumberVisitor {
  let search: MaximumSearch
  let axes: [gs_pool_axis]
  let data: Tensor
  let values: Tensor
  let places: Tensor

  func visit<Element: NumberElement>(
    _ type: Element.Type
  ) throws -> @Sendable (_ planeStart: Int, _ resultStart: Int) -> Void {
    let (search, axes, data, values, places) = (search, axes, data, values, places)
    return { planeStart, resultStart in
      search.search(
        data.start(type) + planeStart, axes, planeStart: planeStart,
        values.writableStart(type) + resultStart, places.writableStart(Int64.self) + resultStart)
    }
  }
}
