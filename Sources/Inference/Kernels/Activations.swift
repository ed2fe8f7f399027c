import CKernels
import ModelGraph

extension Families {
  /// Activation functions of neural networks.
  static let activations: [OperatorDefinition] =
    [
      relu, prelu, shrink, clip, biasedGelu("BiasGelu", GS_GELU),
      biasedGelu("FastGelu", GS_GELU_TANH),
    ] + ElementwiseFunctions.activations.map { .function($0) }

  private static let relu = numeric("Relu", GS_RELU) { tensor, context in
    let zero = try Elementwise.constant(0, tensor.elementType, context)
    return try Elementwise.combine(GS_MAXIMUM, tensor, zero, context)
  }

  private static let prelu = OperatorDefinition(
    "PRelu", versions: "a slope of one element a channel before 7",
    types: Elementwise.numberTypes, layouts: .any,
    tensors: { settings in
      let isPerChannel = settings.version < 7
      return wideningHalves { call in
        let shape = try call.tensor(0).shape
        if isPerChannel {
          call.inputs[1] = .tensor(try channelSlope(try call.tensor(1), of: shape))
        }
        let slope = try call.tensor(1).shape
        guard try broadcastShape(shape, slope) == shape else {
          throw KernelProblem("a slope of shape \(slope) does not broadcast to \(shape)")
        }
        return [try Elementwise.combine(GS_PRELU, call)]
      }
    })

  /// A slope with one element for each of axis 1, in the form that broadcasts.
  private static func channelSlope(_ slope: Tensor, of shape: [Int]) throws -> Tensor {
    guard slope.count != 1, shape.count > 1 else { return slope }
    guard slope.shape == [shape[1]] else {
      throw KernelProblem("a slope of shape \(slope.shape) for \(shape[1]) channels")
    }
    return slope.reshaped(slope.shape + [Int](repeating: 1, count: shape.count - 2))
  }

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
      let fixed = try Elementwise.Function(clip: settings, bounds: [:])
      return wideningHalves { call in
        let type = try call.tensor(0).elementType
        guard type.isFloat else { return [try clippedIntegers(call)] }
        if isAttribute { return [try Elementwise.apply(fixed, call)] }
        let bounds = try [1, 2].map { try bound($0, type, call) }
        return [try Elementwise.apply(.init(low: bounds[0], high: bounds[1], type), call)]
      }
    })

  private static func bound(
    _ index: Int, _ type: ElementType, _ call: KernelCall
  ) throws -> Double? {
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

extension Elementwise.Function {
  /// Keeps numbers of a type within bounds; within all finite ones where a bound is left out.
  fileprivate init(low: Double?, high: Double?, _ type: ElementType) {
    let largest =
      type == .float64 ? Double.greatestFiniteMagnitude : Double(Float.greatestFiniteMagnitude)
    self.init(GS_CLIP)
    p = low ?? -largest
    q = high ?? largest
  }

  /// A float32 Clip with its bounds, by index of the input, or as attributes.
  init(clip settings: NodeSettings, bounds: [Int: Tensor]) throws {
    if settings.version < 11 {
      self.init(
        low: try settings.float("min").map(Double.init),
        high: try settings.float("max").map(Double.init), .float32)
    } else {
      self.init(low: try bounds[1]?.doubles()[0], high: try bounds[2]?.doubles()[0], .float32)
    }
  }
}

// MARK: Gelu

extension Families {
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
