import ModelGraph

/// What a user asked of full quantization.
public struct FullQuantizationSettings: Sendable {
  /// Whether each output channel's weights have a scale of their own.
  public var perChannel: Bool
  /// Whether biases make up for the mean error of rounding.
  public var biasCorrection: Bool
  /// How weights are rounded.
  public var roundMethod: WeightQuantizationSettings.RoundMethod
  /// A convolution is quantized if it has at least as many output channels.
  public var minWeightChannel = 0
  /// How much of the outliers of a matrix product's input moves into its weights, between 0 and 1; nil
  /// where that is left to the expected error.
  public var smoothAlpha: Float?
  /// Nodes that stay float.
  public var skipped: [NodePattern]
  /// The hardware and runtime.
  public var profile: TargetProfile

  /// Whether the model's float inputs become integers, whoever reads them.
  public var quantizesInputs = false
  /// Whether the model's float results become integers, whatever makes them.
  public var quantizesOutputs = false

  /// States the settings.
  public init(
    perChannel: Bool = true, biasCorrection: Bool = true,
    roundMethod: WeightQuantizationSettings.RoundMethod = .squant, skipped: [NodePattern] = [],
    profile: TargetProfile = .onnxRuntime
  ) {
    self.perChannel = perChannel
    self.biasCorrection = biasCorrection
    self.roundMethod = roundMethod
    self.skipped = skipped
    self.profile = profile
  }
}

/// Why an operator with weights stays float under full or dynamic quantization.
public indirect enum FloatOperatorReason: Hashable, Sendable {
  case skipped(pattern: String)
  case noIntegerKernel
  case noConstantWeights
  case weights(FloatReason)
  case biasForm
  case factors
  case inputNotFloat
  case nestedGraph
  case groups
  case filterBank
  case neverRun
  case nonFiniteActivation
  case hugeRange
  case insideFunction
  case normalization
  case noDynamicKernel
  case needsRuntimeOperator
  case weightAxes
  case otherLayout
  case tooFewChannels(channels: Int, limit: Int)
  case sharedWeights
  case turnedWeights
  case notOnTarget

  /// The reason in words.
  public var text: String {
    switch self {
    case .skipped(let pattern): "skip_quant_node=\(pattern)"
    case .noIntegerKernel: "the runtime has no integer kernel for it"
    case .noConstantWeights: "multiplies two activations"
    case .weights(let reason): "its weights: \(reason.text)"
    case .biasForm: "its bias isn't one constant for each channel"
    case .factors: "has alpha or beta other than 1"
    case .inputNotFloat: "reads no float32 activation"
    case .nestedGraph: "inside a branch or loop"
    case .groups: "the runtime has no integer kernel for its groups"
    case .filterBank: "long filters over a waveform, whose quiet bands 8 bits would drown"
    case .neverRun: "calibration never reached it"
    case .nonFiniteActivation: "calibration saw NaN or infinity"
    case .hugeRange: "numbers of 10,000 and more, such as a mask's, beside which all else is lost"
    case .insideFunction: "inside an activation function that is written out in several nodes"
    case .normalization: "part of a normalization"
    case .noDynamicKernel: "quantizing its input while the model runs would cost more than it saves"
    case .needsRuntimeOperator:
      "only onnxruntime's own operator has integers for it (runtime_operators)"
    case .weightAxes: "its weights have more than two axes"
    case .otherLayout: "its weights are stored for another product, turned"
    case .tooFewChannels(let channels, let limit):
      "\(channels) channels, min_quant_weight_channel=\(limit)"
    case .sharedWeights: "shares its weights with another operator"
    case .turnedWeights: "its weights are transposed"
    case .notOnTarget: "not among the operators that the target dequantizes weights for"
    }
  }
}

/// An operator that will run in integers.
public struct IntegerOperation {
  /// The operator.
  public let node: Node
  /// The activation it reads.
  public let input: Value
  /// Where the weights stand among its inputs.
  public let weightInput: Int
  /// The weights.
  public let weights: Value
  /// The axis of the weights with one index for each output channel.
  public let channelAxis: Int
  /// Where a spatial kernel begins among the weights' axes; nil without one.
  public let kernelAxis: Int?
  /// The Add whose constant becomes the operator's bias; nil without.
  public let adding: Node?
  /// Relu and Clip that vanish in the result's range, in their order.
  public let absorbed: [Node]
  /// The result, behind what is absorbed.
  public let output: Value
  /// Whether the result is quantized for the kernel's sake.
  public let quantizesOutput: Bool
}

/// Activations that share one scale and zero point.
public struct ActivationGroup {
  /// Name of the first, which stands for all.
  public var name: String { values.first?.name ?? "" }
  /// The activations, in the graph's order.
  public var values: [Value]

  /// The activation, where it shares with no other.
  var soleValue: Value? { values.count == 1 ? values.first : nil }
}

/// What each operator and activation gets: a value, made before anything is measured or changed.
public struct FullPlan {
  /// Operators that will run in integers, in the graph's order.
  public var operations: [IntegerOperation]
  /// Operators without weights that take part in integers.
  public var functions: [IntegerFunction] = []
  /// Activations that are quantized.
  public var groups: [ActivationGroup]
  /// Who reads the quantized form, by activation.
  public var readers: [ObjectIdentifier: ActivationQuantization.Readers]
  /// Operators with weights that stay float, and why.
  public var floats: [(node: Node, reason: FloatOperatorReason)]

  /// How many axes an activation has after that of its channels: a convolution's spatial ones, none
  /// for matrix products.
  public func trailingAxes(of value: Value) -> Int {
    let convolution = operations.first {
      ($0.input === value || $0.output === value) && $0.kernelAxis != nil
    }
    return max(0, (convolution?.weights.constant?.dimensions.count ?? 2) - 2)
  }

  /// Activations that only operators without weights read or make.
  public var functionActivations: [Value] {
    let others = Set(
      operations.flatMap { [$0.input, $0.output] }.map(ObjectIdentifier.init))
    return groups.flatMap(\.values).filter { !others.contains(ObjectIdentifier($0)) }
  }

  /// Names of the activations that calibration has to look at.
  public var observedNames: Set<String> { Set(groups.flatMap(\.values).map(\.name)) }
}
