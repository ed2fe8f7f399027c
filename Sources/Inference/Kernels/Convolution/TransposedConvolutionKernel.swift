import COneDNN
import ModelGraph

/// ConvTranspose over one to three spatial axes: input [N, C, ...], weights [C, M/group, ...].
struct TransposedConvolutionKernel: Sendable {
  private let window: WindowSettings
  private let group: Int
  private let outputPadding: [Int]?
  private let outputShape: [Int]?
  private let packed: PackedWeights?
  private let followers: [Follower]
  private let cache = ShapeCache<PreparedConvolution>()

  init(_ settings: NodeSettings) throws {
    window = try WindowSettings(settings)
    group = try settings.int("group", default: 1)
    outputPadding = try settings.ints("output_padding")
    outputShape = try settings.ints("output_shape")
    followers = settings.followers
    if let weights = settings.constants[1], weights.elementType == .float32, weights.rank >= 3,
      group > 0, weights.shape[0] % group == 0
    {
      let shape = weights.shape
      let group = group
      packed = PackedWeights(weights) { try Self.description(shape, group: group) }
    } else {
      packed = nil
    }
  }

  func run(_ call: KernelCall) throws -> Tensor {
    let input = try call.tensor(0, .float32)
    let weights = try call.tensor(1, .float32)
    let bias = try call.optional(2)
    guard (3...5).contains(input.rank), weights.rank == input.rank, group > 0,
      weights.shape[0] == input.shape[1], weights.shape[0] % group == 0
    else {
      throw KernelProblem(
        "an input \(input.description) and weights \(weights.description) in \(group) groups are not a transposed convolution"
      )
    }
    let channels = weights.shape[1] * group
    guard bias.map({ $0.shape == [channels] && $0.elementType == .float32 }) ?? true else {
      throw KernelProblem("the bias does not have one float32 for each of \(channels) channels")
    }
    let (resolved, spatial) = try geometry(input, kernel: Array(weights.shape[2...]))
    let output = [input.shape[0], channels] + spatial
    guard TensorData.elementCount(of: output).map({ $0 < 1 << 40 }) ?? false else {
      throw KernelProblem("the output would be \(output)")
    }
    guard !output.contains(0), input.count > 0, weights.count > 0 else {
      let result = try call.context.allocate(.float32, output, layout: .channelsLast)
      let out = result.mutableElements(Float.self)
      let values = bias?.elements(Float.self)
      for index in 0..<result.count { out[index] = values?[index % channels] ?? 0 }
      return try PreparedConvolution.apply(followers, to: result, call)
    }
    let source = try input.converted(to: .channelsLast, call.context)
    let shape = Self.groupedShape(weights.shape, group: group)
    let prepared = try cache.value(for: input.shape + (packed == nil ? weights.shape : [])) {
      try PreparedConvolution(
        input: input.shape, weights: shape, output: output, hasBias: bias != nil,
        window: resolved, followers: followers, isTransposed: true)
    }
    let storage =
      try packed?.storage(as: prepared.weights)
      ?? prepared.pack(weights, as: Self.description(weights.shape, group: group), call.context)
    return try prepared.run(source, storage, bias, output: output, call)
  }

  /// The window with its padding, and the spatial extents of the result.
  ///
  /// The end padding is what is left so that the extents come out: an output padding makes it
  /// smaller, even negative.
  private func geometry(_ input: Tensor, kernel: [Int]) throws -> (Window, [Int]) {
    let extents = Array(input.shape[2...])
    let rank = extents.count
    let extra = outputPadding ?? [Int](repeating: 0, count: rank)
    var base = try WindowSettings.withoutAutomaticPadding(window)
      .resolved(kernel: kernel, input: extents)
    guard extra.count == rank, extra.allSatisfy({ $0 >= 0 && $0 < 1 << 31 }) else {
      throw KernelProblem("output_padding \(extra) does not fit \(rank) spatial axes")
    }
    let full = extents.indices.map { axis in
      (extents[axis] - 1) * base.strides[axis] + base.reach(axis) + extra[axis]
    }
    var spatial = extents.indices.map { full[$0] - base.begin[$0] - base.end[$0] }
    var begin = base.begin
    if let outputShape {
      guard outputShape.count >= rank else {
        throw KernelProblem("output_shape \(outputShape) has too few numbers")
      }
      spatial = Array(outputShape.suffix(rank))
    } else if window.isSame {
      spatial = extents.indices.map { extents[$0] * base.strides[$0] }
    }
    if outputShape != nil || window.isSame {
      for axis in extents.indices {
        let total = full[axis] - spatial[axis]
        begin[axis] = window.isSameUpper ? total / 2 : total - total / 2
        if outputShape != nil, !window.isSame { begin[axis] = total / 2 }
      }
    }
    guard spatial.allSatisfy({ $0 >= 0 }) else {
      throw KernelProblem("the output would have the spatial extents \(spatial)")
    }
    let end = extents.indices.map { axis in
      full[axis] - extra[axis] - spatial[axis] - begin[axis]
    }
    base = Window(
      kernel: base.kernel, strides: base.strides, dilations: base.dilations, begin: begin,
      end: end)
    return (base, spatial)
  }

  private static func groupedShape(_ shape: [Int], group: Int) -> [Int] {
    let window = shape[2...]
    return group == 1
      ? [shape[1], shape[0]] + window : [group, shape[1], shape[0] / group] + window
  }

  /// How ONNX's weights [C, M/group, ...] lie, with oneDNN's order of axes.
  private static func description(_ shape: [Int], group: Int) throws -> dnnl_memory_desc_t {
    let dense = elementStrides(shape)
    let window = dense[2...]
    let strides =
      group == 1
      ? [dense[1], dense[0]] + window
      : [dense[0] * (shape[0] / group), dense[1], dense[0]] + window
    return try .strided(groupedShape(shape, group: group), strides: strides)
  }
}

extension WindowSettings {
  /// Whether padding is chosen so that the output has `stride` times the input's extents.
  var isSame: Bool {
    switch padding {
    case .sameUpper?, .sameLower?: true
    default: false
    }
  }
  /// Whether an odd padding goes to the end.
  var isSameUpper: Bool { if case .sameUpper? = padding { true } else { false } }

  /// The same without automatic padding.
  static func withoutAutomaticPadding(_ settings: WindowSettings) -> WindowSettings {
    settings.isSame ? WindowSettings(settings, padding: nil) : settings
  }

  private init(_ other: WindowSettings, padding: Padding?) {
    strides = other.strides
    dilations = other.dilations
    kernelShape = other.kernelShape
    self.padding = padding
  }
}
