import CKernels
import ModelGraph

extension Families {
  /// Pools regions of feature maps into bins, reading between elements (He et al. 2017).
  static let roiAlign = OperatorDefinition(
    "RoiAlign", versions: "half-pixel coordinates since 16",
    types: "float32, float16, bfloat16", layouts: .any,
    tensors: { settings in
      let pooling = try RegionPooling(settings)
      return wideningHalves { call in
        let maps = try call.tensor(0, .float32)
        let regions = try call.tensor(1, .float32)
        guard let batches = try call.integers(2) else {
          throw KernelProblem("the batch indices are missing")
        }
        return [try pooling.apply(to: maps, regions, batches, call.context)]
      }
    })
}

/// The settings of RoiAlign.
private struct RegionPooling: Sendable {
  let takesMaximum: Bool
  let rows: Int
  let columns: Int
  let samplingRatio: Int
  let scale: Float
  let isHalfPixel: Bool

  init(_ settings: NodeSettings) throws {
    let mode = try settings.string("mode") ?? "avg"
    let coordinates =
      settings.version < 16
      ? "output_half_pixel"
      : try settings.string("coordinate_transformation_mode") ?? "half_pixel"
    rows = try settings.int("output_height", default: 1)
    columns = try settings.int("output_width", default: 1)
    samplingRatio = try settings.int("sampling_ratio", default: 0)
    scale = try settings.float("spatial_scale", default: 1)
    guard ["avg", "max"].contains(mode) else {
      throw KernelProblem("the attribute 'mode' cannot be '\(mode)'")
    }
    guard ["half_pixel", "output_half_pixel"].contains(coordinates) else {
      throw KernelProblem("the coordinates '\(coordinates)' do not exist")
    }
    guard (1..<1 << 20).contains(rows), (1..<1 << 20).contains(columns),
      (0..<1 << 12).contains(samplingRatio)
    else { throw KernelProblem("\(rows) x \(columns) bins cannot be pooled") }
    takesMaximum = mode == "max"
    isHalfPixel = coordinates == "half_pixel"
  }

  func apply(
    to maps: Tensor, _ regions: Tensor, _ batches: [Int], _ context: RunContext
  ) throws -> Tensor {
    guard maps.rank == 4, regions.rank == 2, regions.shape[1] == 4,
      batches.count == regions.shape[0], maps.shape[2] * maps.shape[3] < 1 << 31
    else {
      throw KernelProblem(
        "regions of shape \(regions.shape) with \(batches.count) batch indices do not fit maps "
          + "of shape \(maps.shape)")
    }
    for batch in batches where !(0..<maps.shape[0]).contains(batch) {
      throw KernelProblem("the batch index \(batch) is outside the \(maps.shape[0]) maps")
    }
    let shape = [batches.count, maps.shape[1], rows, columns]
    guard let count = TensorData.elementCount(of: shape), count < 1 << 46 else {
      throw KernelProblem("a tensor of shape \(shape) is too large")
    }
    let result = try context.allocate(.float32, shape, layout: maps.layout)
    guard count > 0 else { return result }
    nonisolated(unsafe) let corners = regions.elements(Float.self)
    nonisolated(unsafe) let source = maps.elements(Float.self)
    nonisolated(unsafe) let target = result.mutableElements(Float.self)
    let plane = maps.shape[2] * maps.shape[3] * maps.shape[1]
    let bins = rows * columns * maps.shape[1]
    try context.forEach(batches.count, cost: bins * 16) { index in
      let region = Array(corners[4 * index..<4 * index + 4])
      let samples = try samples(region, height: maps.shape[2], width: maps.shape[3])
      pool(
        UnsafeBufferPointer(
          rebasing: source[batches[index] * plane..<(batches[index] + 1) * plane]),
        samples, channels: maps.shape[1], isChannelsLast: maps.layout == .channelsLast,
        into: UnsafeMutableBufferPointer(rebasing: target[index * bins..<(index + 1) * bins]))
    }
    return result
  }

  private struct Samples {
    var indices: [Int32]
    var weights: [Float]
    let taps: Int
  }

  /// The neighbours of all sampling points of a region, bin by bin; their weights make the mean.
  private func samples(_ region: [Float], height: Int, width: Int) throws -> Samples {
    let offset: Float = isHalfPixel ? 0.5 : 0
    let corners = region.map { $0 * scale - offset }
    var extent = (corners[2] - corners[0], corners[3] - corners[1])
    if !isHalfPixel { extent = (max(extent.0, 1), max(extent.1, 1)) }
    let bin = (extent.0 / Float(columns), extent.1 / Float(rows))
    let grid = (try pointCount(bin.0), try pointCount(bin.1))
    let taps = 4 * max(1, grid.0 * grid.1)
    guard taps * rows * columns < 1 << 28 else {
      throw KernelProblem("a region of \(extent.0) x \(extent.1) elements is too large")
    }
    let count = rows * columns
    var samples = Samples(
      indices: .init(repeating: 0, count: taps * count),
      weights: .init(repeating: 0, count: taps * count), taps: taps)
    let share = takesMaximum ? 1 : Float(max(1, grid.0 * grid.1))
    for position in 0..<count {
      let (row, column) = (position / columns, position % columns)
      var next = position
      for point in 0..<grid.0 * grid.1 {
        let (pointRow, pointColumn) = (Float(point / grid.0), Float(point % grid.0))
        let y = corners[1] + Float(row) * bin.1 + (pointRow + 0.5) * bin.1 / Float(grid.1)
        let x = corners[0] + Float(column) * bin.0 + (pointColumn + 0.5) * bin.0 / Float(grid.0)
        let vertical = Neighbours(y, height)
        let horizontal = Neighbours(x, width)
        for tap in 0..<4 {
          samples.indices[next] = Int32(
            vertical.indices[tap / 2] * width + horizontal.indices[tap % 2])
          samples.weights[next] = vertical.weights[tap / 2] * horizontal.weights[tap % 2] / share
          next += count
        }
      }
    }
    return samples
  }

  private func pointCount(_ bin: Float) throws -> Int {
    if samplingRatio > 0 { return samplingRatio }
    guard bin < 4096 else { throw KernelProblem("a region has bins of \(bin) elements") }
    return bin > 0 ? Int(bin.rounded(.up)) : 0
  }

  private func pool(
    _ maps: UnsafeBufferPointer<Float>, _ samples: Samples, channels: Int, isChannelsLast: Bool,
    into target: UnsafeMutableBufferPointer<Float>
  ) {
    guard let from = maps.baseAddress, let to = target.baseAddress, !maps.isEmpty else {
      target.update(repeating: 0)
      return
    }
    let count = rows * columns
    samples.indices.withUnsafeBufferPointer { indices in
      samples.weights.withUnsafeBufferPointer { weights in
        let lent = gs_samples(
          index: indices.baseAddress, weight: weights.baseAddress, count: count,
          taps: samples.taps)
        let plane = maps.count / channels
        switch (takesMaximum, isChannelsLast) {
        case (false, true): gs_resample_row(from, channels, lent, to)
        case (false, false):
          for channel in 0..<channels {
            gs_resample_row(from + channel * plane, 1, lent, to + channel * count)
          }
        case (true, _):
          let step = isChannelsLast ? channels : 1
          for channel in 0..<channels {
            let start = from + channel * (isChannelsLast ? 1 : plane)
            let out = to + channel * (isChannelsLast ? 1 : count)
            takeMaximum(start, step, lent, out)
          }
        }
      }
    }
  }

  /// The largest weighted neighbour of all points of each bin: each neighbour by itself, as ONNX
  /// Runtime has it.
  private func takeMaximum(
    _ source: UnsafePointer<Float>, _ step: Int, _ samples: gs_samples,
    _ target: UnsafeMutablePointer<Float>
  ) {
    for position in 0..<samples.count {
      var largest = -Float.infinity
      for tap in 0..<samples.taps {
        let place = tap * samples.count + position
        largest = max(largest, samples.weight[place] * source[Int(samples.index[place]) * step])
      }
      target[position * step] = largest
    }
  }
}

/// The two elements around a place on one axis. Beyond one element outside they weigh nothing.
private struct Neighbours {
  let indices: SIMD2<Int>
  let weights: SIMD2<Float>

  init(_ place: Float, _ extent: Int) {
    guard extent > 0, place >= -1, place <= Float(extent) else {
      indices = SIMD2(0, 0)
      weights = SIMD2(0, 0)
      return
    }
    let inside = max(place, 0)
    let lower = min(Int(inside), extent - 1)
    let upper = min(lower + 1, extent - 1)
    let share = lower == upper ? 0 : inside - Float(lower)
    indices = SIMD2(lower, upper)
    weights = SIMD2(1 - share, share)
  }
}
