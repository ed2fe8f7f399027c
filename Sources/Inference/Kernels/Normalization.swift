import CKernels
import ModelGraph

extension Families {
  /// BatchNormalization and its kin.
  static let normalization: [OperatorDefinition] = [
    batchNormalization, instanceNormalization, groupNormalization, layerNormalization,
    rmsNormalization, simplifiedLayerNormalization, skipLayerNormalization,
    skipSimplifiedLayerNormalization, lpNormalization, localResponseNormalization,
    meanVarianceNormalization,
  ]

  private static let batchNormalization = OperatorDefinition(
    "BatchNormalization",
    versions: "spatial=0 of 7; training_mode since 14; parameters of other types since 15",
    types: "float", layouts: .any,
    tensors: { settings in
      let isTraining = try settings.version >= 14 && settings.flag("training_mode")
      if settings.version < 14, settings.outputCount > 1 {
        throw KernelProblem(lacking: "training outputs are supported since operator set 14 only")
      }
      let isSpatial = try settings.version >= 9 || settings.flag("spatial", default: true)
      let kernel = BatchNormalization(
        epsilon: Double(try settings.float("epsilon", default: 1e-5)),
        momentum: Double(try settings.float("momentum", default: 0.9)), isSpatial: isSpatial)
      return { call in
        isTraining ? try kernel.train(call) : [try kernel.infer(call)]
      }
    })
}

/// Scale and shift of each channel: y = x * scale + shift.
struct ChannelTerms: Sendable {
  let scales: [Double]
  let shifts: [Double]
  /// Whether inputs can be told from results in float32 as well as from inputs of the given statistics:
  /// not where a factor is so small, against the term, that it is lost.
  let isInvertible: Bool

  /// scale = s / sqrt(variance + epsilon), shift = b - mean * scale, in double.
  init(scale: [Double], bias: [Double], mean: [Double], variance: [Double], epsilon: Double) {
    let scales = zip(scale, variance).map { $0 / ($1 + epsilon).squareRoot() }
    self.scales = scales
    let shifts = scale.indices.map { bias[$0] - mean[$0] * scales[$0] }
    self.shifts = shifts
    isInvertible = scale.indices.allSatisfy { channel in
      let term = abs(shifts[channel] / scales[channel])
      return term.isFinite && term <= 64 * (variance[channel] + epsilon).squareRoot()
    }
  }
}

/// Batch normalization with given statistics, or with those of the batch.
private struct BatchNormalization: Sendable {
  let epsilon: Double
  let momentum: Double
  /// Whether a channel's values share their parameters.
  let isSpatial: Bool

  /// The values seen as samples x channels x positions.
  private func geometry(of data: Tensor) throws -> ChannelGeometry {
    try isSpatial ? ChannelGeometry(data) : ChannelGeometry(unspatial: data)
  }

  /// scale, bias, mean and variance.
  private func parameters(_ call: KernelCall, channels: Int) throws -> [[Double]] {
    try (1...4).map { index in
      let values = try call.tensor(index).doubles()
      guard values.count == channels else {
        throw KernelProblem(
          "input \(index) has \(values.count) elements, but there are \(channels) channels")
      }
      return values
    }
  }

  func infer(_ call: KernelCall) throws -> Tensor {
    if !isSpatial {
      call.inputs[0] = .tensor(try call.tensor(0).converted(to: .rowMajor, call.context))
    }
    let geometry = try geometry(of: try call.tensor(0))
    let given = try parameters(call, channels: geometry.channels)
    let terms = ChannelTerms(
      scale: given[0], bias: given[1], mean: given[2], variance: given[3], epsilon: epsilon)
    let type = try call.tensor(0).elementType
    if type.isHalf { call.inputs[0] = .tensor(try call.tensor(0).widened(call.context)) }
    let (data, result) = try call.tensorForRewriting(0)
    switch data.elementType {
    case .float32:
      try geometry.scale(
        data, into: result, scales: terms.scales.map { Float($0) },
        shifts: terms.shifts.map { Float($0) }, call.context)
    case .float64:
      geometry.forEachDouble(data, into: result) { value, channel in
        value * terms.scales[channel] + terms.shifts[channel]
      }
    default: throw KernelProblem("\(data.elementType.name) is not a floating-point type")
    }
    return try result.narrowed(to: type, call.context)
  }

  func train(_ call: KernelCall) throws -> [Tensor] {
    let given = try call.tensor(0)
    let data = try given.widened(call.context)
    let geometry = try geometry(of: data)
    let parameters = try parameters(call, channels: geometry.channels)
    let (mean, variance) = try geometry.moments(data, call.context)
    let result = try call.context.allocate(data.elementType, data.shape, layout: data.layout)
    let scales = zip(parameters[0], variance).map { $0 / ($1 + epsilon).squareRoot() }
    if data.elementType == .float32 {
      try geometry.scale(
        data, into: result, centers: mean.map { Float($0) }, scales: scales.map { Float($0) },
        shifts: parameters[1].map { Float($0) }, call.context)
    } else {
      geometry.forEachDouble(data, into: result) { value, channel in
        (value - mean[channel]) * scales[channel] + parameters[1][channel]
      }
    }
    let type = try call.tensor(3).elementType
    return [
      try result.narrowed(to: given.elementType, call.context),
      try running(parameters[2], mean, type, call.context),
      try running(parameters[3], variance, type, call.context),
    ]
  }

  private func running(
    _ before: [Double], _ current: [Double], _ type: ElementType, _ context: RunContext
  ) throws -> Tensor {
    let values = zip(before, current).map { $0 * momentum + $1 * (1 - momentum) }
    return try context.allocate(type, [values.count], doubles: values)
  }
}
