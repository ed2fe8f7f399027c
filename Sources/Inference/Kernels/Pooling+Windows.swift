import CKernels
import ModelGraph

/// How the windows of a pooling lie: read from the attributes once, fitted to each input.
struct PoolWindows: Sendable {
  private enum Padding: Sendable {
    case given
    /// As many results as strides fit in; an odd position goes to the end, or to the beginning.
    case same(isUpper: Bool)
    case valid
  }

  let extents: [Int]
  private let strides: [Int]
  private let dilations: [Int]
  private let pads: [Int]
  private let padding: Padding
  private let roundsUp: Bool

  /// The largest number taken for an extent, a stride, a dilation or padding: products of two fit.
  private static let limit = 1 << 30

  /// Reads a pooling operator's attributes.
  init(_ settings: NodeSettings) throws {
    extents = try settings.requiredInts("kernel_shape")
    let axes = extents.count
    strides = try Self.numbers("strides", settings, axes) ?? .init(repeating: 1, count: axes)
    dilations = try Self.numbers("dilations", settings, axes) ?? .init(repeating: 1, count: axes)
    pads = try Self.numbers("pads", settings, 2 * axes) ?? .init(repeating: 0, count: 2 * axes)
    roundsUp = try settings.flag("ceil_mode")
    switch try settings.string("auto_pad") ?? "NOTSET" {
    case "NOTSET", "": padding = .given
    case "SAME_UPPER": padding = .same(isUpper: true)
    case "SAME_LOWER": padding = .same(isUpper: false)
    case "VALID": padding = .valid
    case let other: throw KernelProblem("the auto_pad '\(other)' is unknown")
    }
    guard (1...3).contains(axes) else {
      throw KernelProblem(lacking: "pooling over \(axes) axes is not supported, only over 1 to 3")
    }
    let positive = extents + strides + dilations
    guard positive.allSatisfy({ (1...Self.limit).contains($0) }) else {
      throw KernelProblem("kernel_shape, strides and dilations have a number that is not positive")
    }
    guard pads.allSatisfy({ (0...Self.limit).contains($0) }) else {
      throw KernelProblem("the pads \(pads) have a number that is negative or too large")
    }
  }

  /// One window over everything.
  init(covering extents: [Int]) {
    self.extents = extents
    strides = extents.map { _ in 1 }
    dilations = strides
    pads = (extents + extents).map { _ in 0 }
    padding = .given
    roundsUp = false
  }

  private static func numbers(
    _ name: String, _ settings: NodeSettings, _ count: Int
  ) throws -> [Int]? {
    guard let numbers = try settings.ints(name), !numbers.isEmpty else { return nil }
    guard numbers.count == count else {
      throw KernelProblem(
        "the attribute '\(name)' has \(numbers.count) numbers instead of \(count)")
    }
    return numbers
  }

  /// Three axes for the C loops: what is missing in front has an extent of 1.
  func axes(for shape: [Int]) throws -> [gs_pool_axis] {
    guard shape.count == extents.count + 2, shape.count <= 5 else {
      throw KernelProblem("a window of \(extents.count) axes does not fit the shape \(shape)")
    }
    let missing = 3 - extents.count
    let one = gs_pool_axis(in: 1, out: 1, window: 1, stride: 1, dilation: 1, pad: 0, pad_end: 0)
    return try Array(repeating: one, count: missing)
      + extents.indices.map { try axis($0, extent: shape[$0 + 2]) }
  }

  /// Follows onnxruntime: rounding up never adds a window that starts after the input and the
  /// padding before it, and automatic padding doesn't count dilations.
  private func axis(_ index: Int, extent: Int) throws -> gs_pool_axis {
    let (stride, dilation) = (strides[index], dilations[index])
    let reach = dilation * (extents[index] - 1) + 1
    let (begin, end) = padding(index, extent: extent)
    guard begin < reach || begin == 0, end < reach || end == 0 else {
      throw KernelProblem("padding of \(max(begin, end)) is not smaller than the window, \(reach)")
    }
    let room = extent + begin + end - reach
    var out = room / stride + 1
    if roundsUp {
      out = (room < 0 ? -(-room / stride) : (room + stride - 1) / stride) + 1
      if (out - 1) * stride >= extent + begin { out -= 1 }
    }
    guard out >= 0 else {
      throw KernelProblem("a window of \(reach) is larger than the padded input, \(reach + room)")
    }
    return gs_pool_axis(
      in: extent, out: out, window: extents[index], stride: stride, dilation: dilation, pad: begin,
      pad_end: end)
  }

  /// Padding before and after one axis.
  private func padding(_ index: Int, extent: Int) -> (begin: Int, end: Int) {
    switch padding {
    case .given: return (pads[index], pads[index + extents.count])
    case .valid: return (0, 0)
    case .same(let isUpper):
      let count = (extent + strides[index] - 1) / strides[index]
      let total = max(0, (count - 1) * strides[index] + extents[index] - extent)
      let begin = isUpper ? total / 2 : total - total / 2
      return (begin, total - begin)
    }
  }

  /// The shape of the results.
  func shape(of data: Tensor, _ axes: [gs_pool_axis]) throws -> [Int] {
    let shape = data.shape.prefix(2) + axes.suffix(data.rank - 2).map(\.out)
    guard TensorData.elementCount(of: Array(shape)) != nil else {
      throw KernelProblem("the pooled shape \(shape) has too many elements")
    }
    return Array(shape)
  }
}

extension gs_pool_axis {
  /// Where the window of a result starts; negative inside the padding.
  func start(_ position: Int) -> Int { position * stride - pad }

  /// The steps of a window that lie inside the input.
  func steps(at position: Int) -> Range<Int> {
    let start = start(position)
    let first = start < 0 ? (dilation - 1 - start) / dilation : 0
    let left = self.in - start
    let end = left <= 0 ? 0 : min(window, (left + dilation - 1) / dilation)
    return first..<max(first, end)
  }

  /// How many steps of a window lie inside the input and its padding.
  func paddedExtent(at position: Int) -> Int {
    let left = self.in + pad + pad_end - position * stride
    return min(window, (left + dilation - 1) / dilation)
  }
}

/// Sums over windows, in double, for what isn't worth a loop of its own in C: LpPool, and
/// AveragePool of doubles.
struct WindowSums: Sendable {
  let windows: PoolWindows
  /// The norm's order; nil for an average.
  let power: Int?
  /// Whether an average counts padding.
  let countsPadding: Bool

  /// Pools any floating-point tensor that isn't of half precision.
  func pool(_ data: Tensor, _ context: RunContext) throws -> Tensor {
    try data.checkExtents()
    let axes = try windows.axes(for: data.shape)
    let shape = try windows.shape(of: data, axes)
    let result = try context.allocate(data.elementType, shape, layout: data.layout)
    guard result.count > 0 else { return result }
    switch data.elementType {
    case .float32: try pool(Float.self, data, axes, into: result, context)
    case .float64: try pool(Double.self, data, axes, into: result, context)
    default: throw KernelProblem("\(data.elementType.name) is not a floating-point type")
    }
    return result
  }

  private func pool<Element: NumberElement>(
    _ type: Element.Type, _ data: Tensor, _ axes: [gs_pool_axis], into result: Tensor,
    _ context: RunContext
  ) throws {
    let isLast = result.layout == .channelsLast
    let channels = isLast ? data.shape[1] : 1
    let samples = isLast ? data.shape[0] : data.shape[0] * data.shape[1]
    let sampleSize = axes.reduce(channels) { $0 * $1.in }
    let places = axes.reduce(1) { $0 * $1.out }
    let sums = try context.scratch(Double.self, channels)
    let out = result.mutableElements(type)
    for item in 0..<samples * places {
      let place = item % places
      let at = [
        place / (axes[2].out * axes[1].out), place / axes[2].out % axes[1].out, place % axes[2].out,
      ]
      let start = data.start(type) + item / places * sampleSize
      sums.update(repeating: 0)
      let count = sum(start, axes, at, channels, into: sums)
      for channel in 0..<channels {
        out[item * channels + channel] = Element(converting: finished(sums[channel], count))
      }
    }
  }

  /// Adds up one window's terms by channel; returns what an average divides by.
  private func sum<Element: NumberElement>(
    _ sample: UnsafePointer<Element>, _ axes: [gs_pool_axis], _ at: [Int], _ channels: Int,
    into sums: UnsafeMutableBufferPointer<Double>
  ) -> Int {
    let starts = (0..<3).map { axes[$0].start(at[$0]) }
    let steps = (0..<3).map { axes[$0].steps(at: at[$0]) }
    for depth in steps[0] {
      let plane = (starts[0] + depth * axes[0].dilation) * axes[1].in
      for height in steps[1] {
        let line = (plane + starts[1] + height * axes[1].dilation) * axes[2].in
        for step in steps[2] {
          let pixel = sample + (line + starts[2] + step * axes[2].dilation) * channels
          for channel in 0..<channels { sums[channel] += term(pixel[channel].asDouble) }
        }
      }
    }
    return (0..<3).reduce(1) {
      $0 * (countsPadding ? axes[$1].paddedExtent(at: at[$1]) : steps[$1].count)
    }
  }

  private func term(_ value: Double) -> Double {
    switch power {
    case nil: value
    case 1: abs(value)
    case 2: value * value
    case let power?: raised(abs(value), to: Double(power))
    }
  }

  private func finished(_ sum: Double, _ count: Int) -> Double {
    switch power {
    case nil: sum / Double(count)
    case 1: sum
    case 2: sum.squareRoot()
    case let power?: raised(sum, to: 1 / Double(power))
    }
  }
}
