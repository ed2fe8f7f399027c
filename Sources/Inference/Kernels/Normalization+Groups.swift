import CKernels
import ModelGraph

extension Families {
  static let instanceNormalization = OperatorDefinition(
    "InstanceNormalization", layouts: .any,
    tensors: { settings in
      let epsilon = try settings.float("epsilon", default: 1e-5)
      return wideningHalves { call in
        let geometry = try ChannelGeometry(try call.tensor(0))
        let kernel = GroupNormalization(
          geometry: geometry, groups: geometry.channels, epsilon: Double(epsilon))
        return [try kernel.apply(call)]
      }
    })

  static let groupNormalization = OperatorDefinition(
    "GroupNormalization", versions: "scale and bias by group before 21, by channel since",
    layouts: .any,
    tensors: { settings in
      let epsilon = try settings.float("epsilon", default: 1e-5)
      guard let groups = try settings.int("num_groups"), groups > 0 else {
        throw KernelProblem("the attribute 'num_groups' is not a positive number")
      }
      return wideningHalves { call in
        let geometry = try ChannelGeometry(try call.tensor(0))
        guard geometry.channels % groups == 0 else {
          throw KernelProblem("\(geometry.channels) channels do not form \(groups) equal groups")
        }
        let kernel = GroupNormalization(
          geometry: geometry, groups: groups, epsilon: Double(epsilon))
        return [try kernel.apply(call)]
      }
    })
}

/// Normalization of each sample's groups of channels by their own mean and variance.
private struct GroupNormalization: Sendable {
  let geometry: ChannelGeometry
  let groups: Int
  let epsilon: Double

  private var channelsOfGroup: Int { geometry.channels / groups }

  /// Reads data, scale and bias from the call.
  func apply(_ call: KernelCall) throws -> Tensor {
    let scale = try parameter(1, call)
    let bias = try parameter(2, call)
    let (data, result) = try call.tensorForRewriting(0)
    guard data.count > 0 else { return result }
    switch data.elementType {
    case .float32: try normalize(data, into: result, scale: scale, bias: bias, call.context)
    case .float64: normalizeDoubles(data, into: result, scale: scale, bias: bias)
    default: throw KernelProblem("\(data.elementType.name) is not a floating-point type")
    }
    return result
  }

  /// A parameter of each channel; one of each group stands for the group's channels.
  private func parameter(_ index: Int, _ call: KernelCall) throws -> [Double] {
    let values = try call.tensor(index).doubles()
    if values.count == geometry.channels { return values }
    guard values.count == groups else {
      throw KernelProblem(
        "input \(index) has \(values.count) elements for \(geometry.channels) channels")
    }
    return (0..<geometry.channels).map { values[$0 / channelsOfGroup] }
  }

  /// Whole groups of at least 64 channels at a time, so that columns fill vectors.
  private func normalize(
    _ data: Tensor, into result: Tensor, scale: [Double], bias: [Double], _ context: RunContext
  ) throws {
    let perItem = min(groups, (63 + channelsOfGroup) / channelsOfGroup)
    let items = (groups + perItem - 1) / perItem
    let cost = perItem * channelsOfGroup * geometry.positions
    try context.forEach(geometry.samples * items, cost: cost) { item in
      let first = item % items * perItem
      let range = first * channelsOfGroup..<min(groups, first + perItem) * channelsOfGroup
      normalize(
        sample: item / items, range, data, into: result, scale: scale, bias: bias)
    }
  }

  private func normalize(
    sample: Int, _ range: Range<Int>, _ data: Tensor, into result: Tensor, scale: [Double],
    bias: [Double]
  ) {
    let (stride, positions) = (geometry.channels, geometry.positions)
    let offset =
      sample * stride * positions + range.lowerBound * (geometry.channelsLast ? 1 : positions)
    let source = data.start(Float.self) + offset
    let target = result.writableStart(Float.self) + offset
    var sums = [Double](repeating: 0, count: range.count)
    if geometry.channelsLast {
      gs_column_sums(source, positions, stride, range.count, &sums)
    } else {
      gs_row_sums(source, range.count, positions, &sums)
    }
    let centers = meanOfGroups(sums).map { Float($0) }
    if geometry.channelsLast {
      gs_column_squares(source, positions, stride, range.count, centers, &sums)
    } else {
      gs_row_squares(source, range.count, positions, centers, &sums)
    }
    let variances = meanOfGroups(sums)
    let scales = range.indices.map { index in
      Float(scale[index] / (variances[index - range.lowerBound] + epsilon).squareRoot())
    }
    let shifts = range.map { Float(bias[$0]) }
    if geometry.channelsLast {
      gs_center_pixels(source, positions, stride, range.count, centers, scales, shifts, target)
    } else {
      gs_center_planes(source, range.count, positions, centers, scales, shifts, target)
    }
  }

  /// For each channel the mean of its group, from sums by channel.
  private func meanOfGroups(_ sums: [Double]) -> [Double] {
    var means = sums
    let size = channelsOfGroup
    for start in stride(from: 0, to: sums.count, by: size) {
      let total = sums[start..<start + size].reduce(0, +)
      let mean = total / Double(size * geometry.positions)
      for channel in start..<start + size { means[channel] = mean }
    }
    return means
  }

  private func normalizeDoubles(
    _ data: Tensor, into result: Tensor, scale: [Double], bias: [Double]
  ) {
    let values = data.elements(Double.self)
    let step = geometry.channelsLast ? 1 : geometry.positions
    let sampleSize = geometry.channels * geometry.positions
    func group(_ index: Int) -> Int {
      index / sampleSize * groups + index / step % geometry.channels / channelsOfGroup
    }
    let count = Double(channelsOfGroup * geometry.positions)
    var means = [Double](repeating: 0, count: geometry.samples * groups)
    var variances = means
    for index in values.indices { means[group(index)] += values[index] / count }
    for index in values.indices {
      let distance = values[index] - means[group(index)]
      variances[group(index)] += distance * distance / count
    }
    let out = result.mutableElements(Double.self)
    for index in values.indices {
      let channel = index / step % geometry.channels
      let deviation = (variances[group(index)] + epsilon).squareRoot()
      out[index] =
        (values[index] - means[group(index)]) / deviation * scale[channel] + bias[channel]
    }
  }
}
