import ModelGraph

/// What an operator with weights multiplies them with, as rows of a matrix: one row for each result
/// that every output channel makes.
///
/// A convolution's rows are the windows of its input, zeros in the padding included; its columns go
/// through the kernel's positions and, for each of them, the group's channels.
public struct ProductRows: Sendable {
  /// Groups of input channels, each with weights of its own.
  public let groups: Int
  /// Columns of a group's matrix.
  public let columns: Int
  /// Whether each channel is filtered by itself. Its rows are lent for all groups at once.
  public var isDepthwise: Bool { groups > 1 && channels == 1 }

  private let channels: Int
  private let kernel: [Int]
  private let window: WindowSettings?

  /// The rows of a Conv, Gemm or MatMul whose second input are the weights; nil for other operators,
  /// and weights that it cannot have.
  public init?(_ node: Node, weights dimensions: [Int]) {
    guard node.isStandard, dimensions.allSatisfy({ $0 > 0 }) else { return nil }
    switch node.operatorType {
    case "Conv":
      let settings = NodeSettings(
        node: node, version: 1, constants: [:], inputCount: node.inputs.count, followers: [],
        nested: { _ in throw KernelProblem("a convolution has no graph inside") },
        versionOf: { _ in 1 })
      guard dimensions.count >= 3, let window = try? WindowSettings(settings),
        let groups = Int(exactly: node.int("group") ?? 1), groups > 0,
        dimensions[0].isMultiple(of: groups)
      else { return nil }
      self.groups = groups
      channels = dimensions[1]
      kernel = Array(dimensions[2...])
      self.window = window
    case "MatMul", "Gemm":
      guard dimensions.count == 2, (node.int("transA") ?? 0) == 0 else { return nil }
      groups = 1
      channels =
        node.isONNX("Gemm") && (node.int("transB") ?? 0) != 0 ? dimensions[1] : dimensions[0]
      kernel = []
      window = nil
    default: return nil
    }
    columns = channels * kernel.reduce(1, *)
  }

  /// Where the weight that multiplies a column stands among one output channel's weights.
  public func weight(ofColumn column: Int) -> Int {
    column % channels * (columns / channels) + column / channels
  }

  /// Rows of one input: of a group or, for depthwise convolutions, of all.
  public struct Block {
    /// The group; 0 for depthwise convolutions.
    public let group: Int
    /// The elements, `[rows][columns]`, for depthwise convolutions `[rows][columns][groups]`.
    public let elements: UnsafeBufferPointer<Float>
    /// Number of rows.
    public let count: Int
  }

  /// Lends the rows of a float32 input, or as many as `limit` of them, spread evenly with a jitter
  /// that `seed` chooses. Inputs of another shape than the weights want have none.
  ///
  /// - Complexity: O(rows lent * columns * groups).
  public func sample(_ input: Tensor, limit: Int, seed: Int, _ body: (Block) -> Void) {
    guard input.elementType == .float32, input.count > 0 else { return }
    if let window {
      sampleWindows(of: input, window, limit: limit, seed: seed, body)
    } else if input.shape.last == channels, input.layout == .rowMajor {
      let chosen = ProductRows.chosen(input.count / channels, limit: limit, seed: seed)
      withScratch(chosen.count * channels) { rows in
        let elements = input.elements(Float.self)
        for (place, row) in chosen.enumerated() {
          for column in 0..<channels {
            rows[place * channels + column] = elements[row * channels + column]
          }
        }
        body(Block(group: 0, elements: UnsafeBufferPointer(rows), count: chosen.count))
      }
    }
  }

  private func sampleWindows(
    of input: Tensor, _ settings: WindowSettings, limit: Int, seed: Int, _ body: (Block) -> Void
  ) {
    guard input.rank == kernel.count + 2, input.shape[1] == channels * groups else { return }
    let extents = Array(input.shape[2...])
    guard let window = try? settings.resolved(kernel: kernel, input: extents),
      let outputs = try? window.outputExtents(input: extents)
    else { return }
    let places = WindowPlaces(
      window, inputs: extents, outputs: outputs, samples: input.shape[0], limit: limit, seed: seed)
    if isDepthwise {
      gather(input, places, channels: 0..<groups) {
        body(Block(group: 0, elements: $0, count: places.rowCount))
      }
      return
    }
    for group in 0..<groups {
      gather(input, places, channels: group * channels..<(group + 1) * channels) {
        body(Block(group: group, elements: $0, count: places.rowCount))
      }
    }
  }

  /// Copies some channels of the windows, zeros where they reach into the padding.
  private func gather(
    _ input: Tensor, _ places: WindowPlaces, channels: Range<Int>,
    _ body: (UnsafeBufferPointer<Float>) -> Void
  ) {
    let all = input.shape[1]
    let plane = input.shape[2...].reduce(1, *)
    let isChannelsLast = input.layout == .channelsLast
    let elements = input.elements(Float.self)
    let (width, step) = (channels.count, isChannelsLast ? 1 : plane)
    withScratch(places.count * width) { rows in
      places.forEach { index, sample, place in
        let out = index * width
        guard place >= 0 else {
          for channel in 0..<width { rows[out + channel] = 0 }
          return
        }
        let start =
          isChannelsLast
          ? (sample * plane + place) * all + channels.lowerBound
          : (sample * all + channels.lowerBound) * plane + place
        for channel in 0..<width { rows[out + channel] = elements[start + channel * step] }
      }
      body(UnsafeBufferPointer(rows))
    }
  }

  private func withScratch(_ count: Int, _ body: (UnsafeMutableBufferPointer<Float>) -> Void) {
    let scratch = UnsafeMutableBufferPointer<Float>.allocate(capacity: count)
    defer { scratch.deallocate() }
    body(scratch)
  }

  /// At most `limit` of `count` numbers, one of each of as many equal parts.
  static func chosen(_ count: Int, limit: Int, seed: Int) -> [Int] {
    guard count > limit else { return Array(0..<count) }
    var state = UInt64(truncatingIfNeeded: seed) &* 0x9E37_79B9_7F4A_7C15 &+ 1
    return (0..<limit).map { part in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      let first = part * count / limit
      let next = (part + 1) * count / limit
      return first + Int((state >> 33) % UInt64(max(1, next - first)))
    }
  }
}
