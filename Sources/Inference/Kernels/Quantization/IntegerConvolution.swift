import CKernels
import ModelGraph

/// Convolutions of integers, exact in 32 bits: each group is a product of its weights with the
/// windows of the input, laid out as columns.
struct IntegerConvolution: Sendable {
  private let window: WindowSettings
  private let groups: Int

  /// Reads a convolution's attributes.
  init(_ settings: NodeSettings) throws {
    window = try WindowSettings(settings)
    groups = try settings.int("group", default: 1)
    guard groups > 0 else { throw KernelProblem("a convolution has \(groups) groups") }
  }

  /// What a convolution of given operands looks like.
  private struct Geometry: Sendable {
    let window: Window
    let input, output: [Int]
    let channels, filters: Int
    /// Elements of a filter.
    var taps: Int { channels * window.kernel.reduce(1, *) }
    /// Rows of the output along its last axis, and their length.
    var lines: Int { output.dropLast().reduce(1, *) }
    var lineLength: Int { output.last ?? 1 }
    var positions: Int { output.reduce(1, *) }
    var inputPositions: Int { input.reduce(1, *) }
  }

  /// Convolves float32 tensors that hold small integers.
  ///
  /// - Returns: sums in int32, in the shape of a convolution's result.
  func run(_ input: Tensor, _ weights: Tensor, _ context: RunContext) throws -> Tensor {
    guard input.rank >= 3, weights.rank == input.rank,
      groups <= max(1, input.shape[1]), input.shape[1] == weights.shape[1] * groups,
      weights.shape[0].isMultiple(of: groups)
    else {
      throw KernelProblem(
        "weights \(weights.shape) do not fit an input \(input.shape) in \(groups) groups")
    }
    let kernel = Array(weights.shape[2...])
    let spatial = Array(input.shape[2...])
    let window = try window.resolved(kernel: kernel, input: spatial)
    let geometry = Geometry(
      window: window, input: spatial, output: try window.outputExtents(input: spatial),
      channels: weights.shape[1], filters: weights.shape[0] / groups)
    let shape = [input.shape[0], weights.shape[0]] + geometry.output
    guard TensorData.elementCount(of: shape) != nil,
      TensorData.elementCount(of: [geometry.taps, max(4096, geometry.lineLength)]) != nil
    else { throw KernelProblem("a convolution's result would have the shape \(shape)") }
    let result = try context.allocate(.int32, shape)
    guard result.count > 0 else { return result }
    let linesAtOnce = max(1, 4096 / max(1, geometry.lineLength))
    let chunks = (geometry.lines + linesAtOnce - 1) / linesAtOnce
    let cost = geometry.filters * geometry.taps * linesAtOnce * geometry.lineLength / 16
    try context.forEach(input.shape[0] * groups * chunks, cost: cost) { item in
      let (outer, chunk) = item.quotientAndRemainder(dividingBy: chunks)
      let first = chunk * linesAtOnce
      multiply(
        input, weights, result, geometry, outer: outer,
        lines: first..<min(geometry.lines, first + linesAtOnce))
    }
    return result
  }

  /// - Parameter outer: sample · groups + group.
  private func multiply(
    _ input: Tensor, _ weights: Tensor, _ result: Tensor, _ geometry: Geometry, outer: Int,
    lines: Range<Int>
  ) {
    guard let values = input.elements(Float.self).baseAddress,
      let filters = weights.elements(Float.self).baseAddress,
      let sums = result.mutableElements(Int32.self).baseAddress
    else { return }
    let source = values + outer * geometry.channels * geometry.inputPositions
    let (taps, width) = (geometry.taps, lines.count * geometry.lineLength)
    let columns = UnsafeMutablePointer<Float>.allocate(capacity: max(1, taps * width))
    defer { columns.deallocate() }
    gather(source, geometry, lines, into: columns)
    let firstFilter = outer % groups * geometry.filters
    gs_matmul_exact(
      geometry.filters, width, taps, filters + firstFilter * taps, taps, 1, columns, width, 1,
      sums + outer * geometry.filters * geometry.positions + lines.lowerBound * geometry.lineLength,
      geometry.positions)
  }

  /// Lays out the windows: a row for each tap, a column for each position.
  private func gather(
    _ source: UnsafePointer<Float>, _ geometry: Geometry, _ lines: Range<Int>,
    into columns: UnsafeMutablePointer<Float>
  ) {
    let window = geometry.window
    let taps = window.kernel.reduce(1, *)
    let last = geometry.input.count - 1
    var out = columns
    for channel in 0..<geometry.channels {
      let plane = source + channel * geometry.inputPositions
      for tap in 0..<taps {
        let shift = tap % window.kernel[last] * window.dilations[last] - window.begin[last]
        for line in lines {
          let start = lineStart(geometry, line: line, tap: tap)
          for position in 0..<geometry.lineLength {
            let column = position * window.strides[last] + shift
            let isInside = column >= 0 && column < geometry.input[last]
            out[position] = isInside ? start.map { plane[$0 + column] } ?? 0 : 0
          }
          out += geometry.lineLength
        }
      }
    }
  }

  /// Where the input line starts that a tap sees for a line of the output; nil in the padding.
  private func lineStart(_ geometry: Geometry, line: Int, tap: Int) -> Int? {
    let window = geometry.window
    var (line, tap) = (line, tap / (window.kernel.last ?? 1))
    var (offset, stride) = (0, geometry.input.last ?? 1)
    for axis in geometry.input.indices.dropLast().reversed() {
      let place = line % geometry.output[axis] * window.strides[axis]
      let row = place + tap % window.kernel[axis] * window.dilations[axis] - window.begin[axis]
      guard row >= 0, row < geometry.input[axis] else { return nil }
      offset += row * stride
      stride *= geometry.input[axis]
      line /= geometry.output[axis]
      tap /= window.kernel[axis]
    }
    return offset
  }
}
