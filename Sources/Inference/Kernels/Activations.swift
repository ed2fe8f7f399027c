import CKernels
import ModelGraph

extension Families {
  /// Activation functions of neural networks.
  static let activations: [OperatorDefinition] =
    [
      relu, .function("Sigmoid", GS_SIGMOID), .function("HardSwish", GS_HARD_SWISH),
      .function("Softplus", GS_SOFTPLUS), .function("Softsign", GS_SOFTSIGN),
      .function("Mish", GS_MISH), prelu, shrink, clip,
    ] + parametric + gelus

  private static let relu = numeric("Relu", GS_RELU) { tensor, context in
    let zero = try Elementwise.constant(0, tensor.elementType, context)
    return try Elementwise.combine(GS_MAXIMUM, tensor, zero, context)
  }

  /// Functions with attributes.
  private static let parametric: [OperatorDefinition] = [
    .function("LeakyRelu") { .init(GS_LEAKY_RELU, try $0.float("alpha", default: 0.01)) },
    .function("Elu") { .init(GS_ELU, try $0.float("alpha", default: 1)) },
    .function("Selu") {
      .init(
        GS_SELU, try $0.float("alpha", default: 1.67326319217681884765625),
        try $0.float("gamma", default: 1.05070102214813232421875))
    },
    .function("Celu") { .init(GS_CELU, try $0.float("alpha", default: 1)) },
    .function("HardSigmoid") {
      .init(
        GS_HARD_SIGMOID, try $0.float("alpha", default: 0.2), try $0.float("beta", default: 0.5))
    },
    .function("ThresholdedRelu") {
      .init(GS_THRESHOLDED_RELU, try $0.float("alpha", default: 1))
    },
    .function("Swish") { .init(GS_SWISH, try $0.float("alpha", default: 1)) },
    .function("QuickGelu", domain: "com.microsoft") {
      .init(GS_SWISH, try $0.float("alpha", default: 1.702))
    },
  ]

  private static let prelu = OperatorDefinition(
    "PRelu", types: Elementwise.numberTypes, layouts: .any,
    tensors: { _ in
      wideningHalves { call in
        let shape = try call.tensor(0).shape
        let slope = try call.tensor(1).shape
        guard try broadcastShape(shape, slope) == shape else {
          throw KernelProblem("a slope of shape \(slope) does not broadcast to \(shape)")
        }
        return [try Elementwise.combine(GS_PRELU, call)]
      }
    })

  private static let shrink = OperatorDefinition(
    "Shrink", types: Elementwise.numberTypes, layouts: .any,
    tensors: { settings in
      let function = Elementwise.Function(
        GS_SHRINK, try settings.float("lambd", default: 0.5),
        try settings.float("bias", default: 0))
      return wideningHalves { call in
        let type = try call.tensor(0).elementType
        if type.isFloat { return [try Elementwise.apply(function, call)] }
        let wide = try Elementwise.cast(try call.tensor(0), to: .float64, call.context)
        let result = try Elementwise.apply(function, wide, into: wide, call.context)
        return [try Elementwise.cast(result, to: type, call.context)]
      }
    })
}

// MARK: Clip

extension Families {
  private static let clip = OperatorDefinition(
    "Clip", versions: "bounds as attributes before 11, as inputs since",
    types: Elementwise.numberTypes, layouts: .any,
    tensors: { settings in
      let isAttribute = settings.version < 11
      let low = isAttribute ? try settings.float("min") : nil
      let high = isAttribute ? try settings.float("max") : nil
      return wideningHalves { call in
        let type = try call.tensor(0).elementType
        guard type.isFloat else { return [try clippedIntegers(call)] }
        let largest =
          type == .float64 ? Double.greatestFiniteMagnitude : Double(Float.greatestFiniteMagnitude)
        var function = Elementwise.Function(GS_CLIP)
        function.p = try low.map(Double.init) ?? bound(1, type, call) ?? -largest
        function.q = try high.map(Double.init) ?? bound(2, type, call) ?? largest
        return [try Elementwise.apply(function, call)]
      }
    })

  private static func bound(_ index: Int, _ type: ElementType, _ call: KernelCall) throws -> Double?
  {
    guard call.has(index) else { return nil }
    _ = try call.tensor(index, type)
    return try call.scalar(index)
  }

  private static func clippedIntegers(_ call: KernelCall) throws -> Tensor {
    var result = try call.tensor(0)
    for (index, op) in [(1, GS_MAXIMUM), (2, GS_MINIMUM)] {
      guard let bound = try call.optional(index) else { continue }
      guard bound.count == 1 else {
        throw KernelProblem("input \(index) has \(bound.count) elements instead of one")
      }
      result = try Elementwise.combine(op, result, bound.reshaped([]), call.context)
    }
    return result
  }
}

// MARK: Gelu

extension Families {
  private static let gelus: [OperatorDefinition] = [
    .function("Gelu") { settings in
      switch try settings.string("approximate") ?? "none" {
      case "none": .init(GS_GELU)
      case "tanh": .init(GS_GELU_TANH)
      case let other: throw KernelProblem("Gelu has no approximation '\(other)'")
      }
    },
    .function("Gelu", domain: "com.microsoft") { _ in .init(GS_GELU) },
    biasedGelu("BiasGelu", GS_GELU), biasedGelu("FastGelu", GS_GELU_TANH),
  ]

  /// A Gelu that first adds its second input, where there is one.
  private static func biasedGelu(_ name: String, _ code: gs_function) -> OperatorDefinition {
    OperatorDefinition(
      name, domain: "com.microsoft", types: Elementwise.floatTypes, layouts: .any,
      tensors: { _ in
        wideningHalves { call in
          guard call.has(1) else { return [try Elementwise.apply(.init(code), call)] }
          let sum = try Elementwise.combine(GS_ADD, call)
          return [try Elementwise.apply(.init(code), sum, into: sum, call.context)]
        }
      })
  }
}
