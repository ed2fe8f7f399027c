import ModelGraph

/// What hardware and runtime do in integers, as data.
public struct TargetProfile: Sendable {
  /// An operator with an integer kernel.
  public struct IntegerOperator: Sendable {
    /// Whether the kernel is only used when the result is quantized too.
    public var needsQuantizedOutput: Bool
    /// Ranks of the activation that the kernel takes.
    public var ranks: ClosedRange<Int>
    /// Whether the kernel takes convolutions in groups, but those of each channel by itself.
    public var takesGroups = true
  }

  /// The profile's name, for people.
  public var name: String
  /// The least and the greatest integer of an activation.
  public var activationIntegers: ClosedRange<Int32>
  /// The type of an activation's integers.
  public var activationType: ElementType
  /// Whether activations lie evenly around zero.
  public var hasSymmetricActivations: Bool
  /// Operators with weights that run in integers.
  public var integerOperators: [String: IntegerOperator]
  /// Those whose weights may have a scale for each output channel; nil if all may.
  public var perChannelOperators: Set<String>?
  /// Operators that only move elements: input and result share parameters.
  public var movers: Set<String>
  /// The greatest magnitude of two neighbouring weights' sum that no processor's kernel saturates
  /// at; nil where none does.
  public var pairSumLimit: Int32?
  /// Whether quantizing and dequantizing take a scale for each channel, which lets activations be
  /// equalized at no cost.
  public var scalesActivationChannels = false
  /// Whether biases become 32-bit integers; they stay as they are where not.
  public var quantizesBiases = true
  /// Whether biases may make up for the mean error of rounding.
  public var correctsBiases = true
  /// Whether Relu and Clip after an integer operator vanish in the result's range.
  public var absorbsClipping = false
  /// Whether the runtime fuses DequantizeLinear, an operator and QuantizeLinear into one operator on
  /// integers.
  public var fusesIntegerOperators = false
  /// Whether the runtime multiplies sums by fixed-point numbers, as gemmlowp does.
  public var roundsInFixedPoint = false
  /// Whether a constant that an Add puts on each column of a MatMul becomes its integer bias.
  public var takesAddedBias = false
  /// Whether products take weights that other operators read too, or that are transposed.
  public var takesSharedWeights = true
  /// Operators without weights that run in integers, from quantized inputs to quantized results.
  public var integerFunctions: Set<String> = []
  /// Operators without weights that read their first input quantized.
  public var quantizedReaders: Set<String> = []
  /// Whether a sum runs inside the operator that makes one of its terms if the other is quantized.
  public var fusesSums = false
  /// Whether inputs of a Concat share parameters with its quantized result even if some of them are
  /// float otherwise.
  public var sharesConcatInputs = false

  /// Whether the node only moves elements of its first input, or of all inputs (Concat).
  public func isMover(_ node: Node) -> Bool {
    node.isStandard && movers.contains(node.operatorType)
  }

  /// Whether an operator's weights of so many axes may have a scale for each output channel. ONNX
  /// Runtime fuses products with several matrices into a kernel that refuses those of their columns.
  public func takesChannelScales(_ node: Node, rank: Int) -> Bool {
    (node.operatorType != "MatMul" || rank <= 2)
      && perChannelOperators?.contains(node.operatorType) ?? true
  }

  /// ONNX Runtime's processor kernels: uint8 activations with a zero point, int8 weights without.
  public static let onnxRuntime = TargetProfile(
    name: "ONNX Runtime", activationIntegers: 0...255, activationType: .uint8,
    hasSymmetricActivations: false,
    integerOperators: [
      "Conv": .init(needsQuantizedOutput: true, ranks: 3...5),
      "Gemm": .init(needsQuantizedOutput: false, ranks: 2...2),
      "MatMul": .init(needsQuantizedOutput: false, ranks: 2...6),
    ],
    movers: [
      "Concat", "DepthToSpace", "Expand", "Flatten", "Gather", "Identity", "MaxPool", "Reshape",
      "Slice", "SpaceToDepth", "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze",
    ], pairSumLimit: 128, scalesActivationChannels: true,
    absorbsClipping: true, fusesIntegerOperators: true)
}
