import COneDNN
import ModelGraph

/// Conv over one to three spatial axes: input [N, C, ...], weights [M, C/group, ...], bias [M].
struct ConvolutionKernel: Sendable {
  private let window: WindowSettings
  private let group: Int
  private let packed: PackedWeights?
  private let followers: [Follower]
  private let cache = ShapeCache<PreparedConvolution>()

  init(_ settings: NodeSettings) throws {
    window = try WindowSettings(settings)
    group = try settings.int("group", default: 1)
    followers = settings.followers
    if let weights = settings.constants[1], weights.elementType == .float32, weights.rank >= 3 {
      let shape = weights.shape
      let group = group
      packed = PackedWeights(
        weights, scales: settings.weightScales, channelAxes: group == 1 ? 1 : 2
      ) {
        try .rowMajor(Self.groupedShape(shape, group: group))
      }
    } else {
      packed = nil
    }
  }

  func run(_ call: KernelCall) throws -> Tensor {
    let input = try call.tensor(0, .float32)
    let weights = try call.tensor(1, .float32)
    let bias = try call.optional(2)
    let output = try outputShape(input, weights, bias)
    guard !output.contains(0), weights.count > 0, input.count > 0 else {
      return try withoutInput(output, bias, call)
    }
    let source = try input.converted(to: .channelsLast, call.context)
    let prepared = try cache.value(for: input.shape + (packed == nil ? weights.shape : [])) {
      try PreparedConvolution(
        input: input.shape, weights: Self.groupedShape(weights.shape, group: group),
        output: output, hasBias: bias != nil,
        window: window.resolved(
          kernel: Array(weights.shape[2...]), input: Array(input.shape[2...])),
        followers: followers, isTransposed: false)
    }
    let storage =
      try packed?.storage(as: prepared.weights)
      ?? prepared.pack(
        weights, as: .rowMajor(Self.groupedShape(weights.shape, group: group)), call.context)
    return try prepared.run(source, storage, bias, output: output, call)
  }

  private func outputShape(_ input: Tensor, _ weights: Tensor, _ bias: Tensor?) throws -> [Int] {
    guard (3...5).contains(input.rank), weights.rank == input.rank else {
      throw KernelProblem(
        "an input \(input.description) and weights \(weights.description) are not a convolution over 1 to 3 axes"
      )
    }
    let channels = weights.shape[0]
    guard group > 0, channels % group == 0, group <= input.shape[1],
      weights.shape[1] * group == input.shape[1]
    else {
      throw KernelProblem(
        "\(group) groups of weights \(weights.description) do not fit an input \(input.description)"
      )
    }
    guard bias.map({ $0.shape == [channels] && $0.elementType == .float32 }) ?? true else {
      throw KernelProblem("the bias does not have one float32 for each of \(channels) channels")
    }
    if let wanted = window.kernelShape, wanted != Array(weights.shape[2...]) {
      throw KernelProblem(
        "kernel_shape \(wanted) is not that of the weights \(weights.description)")
    }
    let spatial = Array(input.shape[2...])
    let resolved = try window.resolved(kernel: Array(weights.shape[2...]), input: spatial)
    let output = [input.shape[0], channels] + (try resolved.outputExtents(input: spatial))
    guard TensorData.elementCount(of: output).map({ $0 < 1 << 40 }) ?? false else {
      throw KernelProblem("the output would be \(output)")
    }
    return output
  }

  /// The result where there is nothing to sum: the bias, if any.
  private func withoutInput(_ shape: [Int], _ bias: Tensor?, _ call: KernelCall) throws -> Tensor {
    let result = try call.context.allocate(.float32, shape, layout: .channelsLast)
    let out = result.mutableElements(Float.self)
    let values = bias?.elements(Float.self)
    for index in 0..<result.count { out[index] = values?[index % shape[1]] ?? 0 }
    return try PreparedConvolution.apply(followers, to: result, call)
  }

  /// Weights as oneDNN counts them: with an axis of groups where there are several.
  static func groupedShape(_ shape: [Int], group: Int) -> [Int] {
    group == 1 ? shape : [group, shape[0] / group] + shape[1...]
  }
}
