import CKernels
import Glibc
import ModelGraph

extension Families {
  static let lpNormalization = OperatorDefinition(
    "LpNormalization", layouts: .any,
    tensors: { settings in
      let axis = try settings.int("axis", default: -1)
      let power = try settings.int("p", default: 2)
      guard power == 1 || power == 2 else {
        throw KernelProblem("the attribute 'p' is \(power), neither 1 nor 2")
      }
      return wideningHalves { call in
        let data = try call.tensor(0)
        let axis = try resolvedAxis(axis, rank: data.rank)
        let reduction = Reduction(power == 1 ? .magnitudes : .norm, axes: [axis], keepsAxes: true)
        let norms = try reduction.apply(to: data, call.context)
        let place = data.layout.physicalAxis(axis, rank: data.rank)
        let block = AxisBlock(data.layout.physicalShape(data.shape), axes: place..<place + 1)
        let result = try call.context.allocate(data.elementType, data.shape, layout: data.layout)
        switch data.elementType {
        case .float32: divide(Float.self, data, by: norms, block, into: result)
        case .float64: divide(Double.self, data, by: norms, block, into: result)
        default: throw KernelProblem("\(data.elementType.name) is not a floating-point type")
        }
        return [result]
      }
    })

  /// Divides by the norm of each value's place; by nothing where the norm is 0.
  private static func divide<Element: NumberElement & FloatingPoint>(
    _ type: Element.Type, _ data: Tensor, by norms: Tensor, _ block: AxisBlock,
    into result: Tensor
  ) {
    let values = data.elements(type)
    let divisors = norms.elements(type)
    let out = result.mutableElements(type)
    for outer in 0..<block.outer {
      for step in 0..<block.extent {
        let start = (outer * block.extent + step) * block.inner
        for column in 0..<block.inner {
          let norm = divisors[outer * block.inner + column]
          out[start + column] = norm == 0 ? 0 : values[start + column] / norm
        }
      }
    }
  }

  static let localResponseNormalization = OperatorDefinition(
    "LRN", types: "float32, float16, bfloat16", layouts: .any,
    tensors: { settings in
      guard let size = try settings.int("size"), size > 0 else {
        throw KernelProblem("the attribute 'size' is not a positive number")
      }
      let response = LocalResponse(
        size: size, alpha: try settings.float("alpha", default: 0.0001) / Float(size),
        beta: try settings.float("beta", default: 0.75),
        bias: try settings.float("bias", default: 1))
      return wideningHalves { call in
        [try response.apply(to: try call.tensor(0, .float32), call.context)]
      }
    })

  static let meanVarianceNormalization = OperatorDefinition(
    "MeanVarianceNormalization", layouts: .any,
    tensors: { settings in
      let axes = try settings.ints("axes") ?? [0, 2, 3]
      return wideningHalves { call in
        let data = try call.tensor(0)
        try data.checkExtents()
        let resolved = Set(try axes.map { try resolvedAxis($0, rank: data.rank) })
        let result = try call.context.allocate(data.elementType, data.shape, layout: data.layout)
        switch data.elementType {
        case .float32: standardize(Float.self, data, resolved, into: result)
        case .float64: standardize(Double.self, data, resolved, into: result)
        default: throw KernelProblem("\(data.elementType.name) is not a floating-point type")
        }
        return [result]
      }
    })

  /// (x - mean) / (standard deviation + 1e-9) over some axes, in double.
  private static func standardize<Element: NumberElement>(
    _ type: Element.Type, _ data: Tensor, _ axes: Set<Int>, into result: Tensor
  ) {
    let order = data.layout.axisOrder(rank: data.rank)
    let extents = order.map { data.shape[$0] }
    let kept = order.map { axes.contains($0) ? 1 : data.shape[$0] }
    let strides = broadcastStrides(kept, to: extents)
    let (columns, step) = (extents.last ?? 1, strides.last ?? 0)
    let count = Double(axes.reduce(1) { $0 * data.shape[$1] })
    let values = data.elements(type)
    let out = result.mutableElements(type)
    var means = [Double](repeating: 0, count: kept.reduce(1, *))
    var deviations = means
    forEachRow(extents, strides: [strides]) { row, offsets in
      for column in 0..<columns {
        means[offsets[0] + column * step] += values[row * columns + column].asDouble
      }
    }
    for index in means.indices { means[index] /= count }
    forEachRow(extents, strides: [strides]) { row, offsets in
      for column in 0..<columns {
        let place = offsets[0] + column * step
        let distance = values[row * columns + column].asDouble - means[place]
        deviations[place] += distance * distance
      }
    }
    for index in deviations.indices {
      deviations[index] = (deviations[index] / count).squareRoot() + 1e-9
    }
    forEachRow(extents, strides: [strides]) { row, offsets in
      for column in 0..<columns {
        let place = offsets[0] + column * step
        let index = row * columns + column
        out[index] = Element(
          converting: (values[index].asDouble - means[place]) / deviations[place])
      }
    }
  }
}

/// Local response normalization over neighbouring channels.
private struct LocalResponse: Sendable {
  let size: Int
  let alpha: Float
  let beta: Float
  let bias: Float

  func apply(to data: Tensor, _ context: RunContext) throws -> Tensor {
    guard data.rank >= 2 else { throw KernelProblem("\(data.description) has no channels") }
    try data.checkExtents()
    let result = try context.allocate(.float32, data.shape, layout: data.layout)
    guard data.count > 0 else { return result }
    let (samples, channels) = (data.shape[0], data.shape[1])
    let positions = data.count / (samples * channels)
    let before = min((size - 1) / 2, channels)
    let after = min(size / 2, channels)
    if data.layout == .channelsLast || positions == 1 {
      let window = channels + before + after
      try context.forEachPiece(of: samples * positions, cost: channels * 8) { pixels in
        let offset = pixels.lowerBound * channels
        withUnsafeTemporaryAllocation(of: Float.self, capacity: window) { squares in
          gs_response_pixels(
            data.start(Float.self) + offset, pixels.count, channels, before, after, alpha, beta,
            bias, squares.baseAddress, result.writableStart(Float.self) + offset)
        }
      }
      return result
    }
    for sample in 0..<samples {
      try context.forEachPiece(of: positions, cost: channels * 8, multiple: 64) { columns in
        let offset = sample * channels * positions + columns.lowerBound
        gs_response_planes(
          data.start(Float.self) + offset, channels, positions, columns.count, before, after, alpha,
          beta, bias, result.writableStart(Float.self) + offset)
      }
    }
    return result
  }
}
