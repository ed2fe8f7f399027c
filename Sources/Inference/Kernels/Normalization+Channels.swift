import CKernels
import ModelGraph

/// A tensor seen as samples x channels x positions, in whichever order they lie in memory.
struct ChannelGeometry: Sendable {
  let samples: Int
  let channels: Int
  let positions: Int
  /// Whether the channels of a position lie together.
  let channelsLast: Bool

  /// Axis 0 counts samples, axis 1 channels; a tensor with one axis has one channel.
  init(_ data: Tensor) throws {
    guard data.rank > 0 else { throw KernelProblem("a scalar has no channels") }
    try data.checkExtents()
    samples = data.shape[0]
    channels = data.rank > 1 ? data.shape[1] : 1
    positions = data.shape.dropFirst(2).reduce(1, *)
    channelsLast = data.layout == .channelsLast || positions == 1
  }

  /// All values of a sample are channels.
  init(unspatial data: Tensor) throws {
    guard data.rank > 0 else { throw KernelProblem("a scalar has no channels") }
    try data.checkExtents()
    samples = data.shape[0]
    channels = data.shape.dropFirst().reduce(1, *)
    positions = 1
    channelsLast = true
  }

  /// result = (data - center) * scale + shift by channel, in float32; without centers, data * scale
  /// + shift. `result` may be `data`.
  func scale(
    _ data: Tensor, into result: Tensor, centers: [Float]? = nil, scales: [Float],
    shifts: [Float], _ context: RunContext
  ) throws {
    guard data.count > 0 else { return }
    guard !channelsLast else {
      return try context.forEachPiece(of: samples * positions, cost: channels) { pixels in
        let offset = pixels.lowerBound * channels
        let source = data.start(Float.self) + offset
        let target = result.writableStart(Float.self) + offset
        let count = pixels.count
        if let centers {
          gs_center_pixels(source, count, channels, channels, centers, scales, shifts, target)
        } else {
          gs_scale_pixels(source, count, channels, channels, scales, shifts, target)
        }
      }
    }
    for sample in 0..<samples {
      try context.forEachPiece(of: channels, cost: positions) { planes in
        let offset = (sample * channels + planes.lowerBound) * positions
        let source = data.start(Float.self) + offset
        let target = result.writableStart(Float.self) + offset
        let (count, scale, shift) = (planes.count, Array(scales[planes]), Array(shifts[planes]))
        if let centers {
          let center = Array(centers[planes])
          gs_center_planes(source, count, positions, center, scale, shift, target)
        } else {
          gs_scale_planes(source, count, positions, scale, shift, target)
        }
      }
    }
  }

  /// Writes what `body` makes of each value and its channel.
  func forEachDouble(
    _ data: Tensor, into result: Tensor, _ body: (_ value: Double, _ channel: Int) -> Double
  ) {
    let values = data.elements(Double.self)
    let out = result.mutableElements(Double.self)
    let step = channelsLast ? 1 : positions
    for index in values.indices { out[index] = body(values[index], index / step % channels) }
  }

  /// Mean and population variance of each channel over the whole batch.
  func moments(
    _ data: Tensor, _ context: RunContext
  ) throws -> (mean: [Double], variance: [Double]) {
    let count = Double(samples * positions)
    let sums = try summed(data, centers: nil, context)
    let mean = sums.map { $0 / count }
    let squares = try summed(data, centers: mean, context)
    return (mean, squares.map { $0 / count })
  }

  /// For each channel the sum of all values, or of squared distances from a center.
  private func summed(
    _ data: Tensor, centers: [Double]?, _ context: RunContext
  ) throws -> [Double] {
    var sums = [Double](repeating: 0, count: channels)
    if data.elementType == .float64 {
      let step = channelsLast ? 1 : positions
      for (index, value) in data.elements(Double.self).enumerated() {
        let channel = index / step % channels
        let term = centers.map { (value - $0[channel]) * (value - $0[channel]) } ?? value
        sums[channel] += term
      }
      return sums
    }
    guard data.elementType == .float32 else {
      throw KernelProblem("\(data.elementType.name) is not a floating-point type")
    }
    guard data.count > 0 else { return sums }
    let floats = centers?.map { Float($0) }
    var part = sums
    for sample in 0..<samples {
      let start = data.start(Float.self) + sample * channels * positions
      switch (channelsLast, floats) {
      case (true, nil): gs_column_sums(start, positions, channels, channels, &part)
      case (true, let floats?):
        gs_column_squares(start, positions, channels, channels, floats, &part)
      case (false, nil): gs_row_sums(start, channels, positions, &part)
      case (false, let floats?): gs_row_squares(start, channels, positions, floats, &part)
      }
      for channel in sums.indices { sums[channel] += part[channel] }
    }
    return sums
  }
}
