import Support

/// How a model is to be quantized: every key's value, given or default, checked against the others.
public struct QuantizationConfiguration: Sendable {
  /// A node name or pattern of `skip_quant_node`.
  public struct SkipPattern: Hashable, Sendable {
    /// Which nodes stay float.
    public var pattern: Glob
    /// Where the pattern stands in the file.
    public var location: Diagnostic.Location
  }

  /// `[weight_quant_param]`.
  public struct Weight: Hashable, Sendable {
    /// One scale per output channel rather than per tensor.
    public var perChannel: Bool
    /// Whether each channel's mean and variance are restored.
    public var biasCorrection: Bool
    /// How the range of a channel is chosen.
    public var weightRangeMethod: WeightRangeMethod
    /// How weights are rounded.
    public var weightRoundMethod: WeightRoundMethod
    /// Where weights become float again; nil when the model is loaded.
    public var dequantStrategy: DequantStrategy?
    /// Weights that share a scale; nil for those of a channel.
    public var groupSize: GroupSize?
    /// Whether weights in blocks are written for onnxruntime's own operators.
    public var runtimeOperators: Bool
    /// What the integers are fitted to.
    public var quantStrategy: WeightQuantStrategy
    /// Parallel decoding segments.
    public var maxSegments: Int
  }

  /// `[mixed_bit_weight_quant_param]`.
  public struct MixedBit: Hashable, Sendable {
    /// Relative error aimed at in each tensor.
    public var initScale: Double
    /// Whether `initScale` is searched.
    public var autoTune: Bool
    /// Whether the search looks at pictures.
    public var useCVData: Bool
    /// The search's most steps.
    public var maxIterations: Int
    /// The size of the file that is aimed at.
    public var targetSize: SizeTarget?
    /// Mean bits of a weight that are aimed at.
    public var targetBits: Double?
    /// The outputs' cosine that is aimed at.
    public var targetCosine: Double?
  }

  /// `[full_quant_param]`.
  public struct Full: Hashable, Sendable {
    /// How activation ranges are chosen.
    public var activationQuantMethod: ActivationQuantMethod
    /// Whether mean errors go into biases.
    public var biasCorrection: Bool
    /// One weight scale per output channel rather than per tensor.
    public var perChannel: Bool
    /// The hardware.
    public var targetDevice: TargetDevice
    /// How much of the outliers moves into the weights.
    public var smoothAlpha: Double
    /// Whether activations are shifted too.
    public var enableSmoothShift: Bool
  }

  /// `[data_preprocess_param]`.
  public struct Data: Hashable, Sendable {
    /// Directories by input, in the file's order.
    public var calibratePath: [ConfigurationValue.Directory]
    /// Number of samples.
    public var calibrateSize: Int?
    /// What the files hold.
    public var inputType: InputType?
    /// Colour order.
    public var imageToFormat: ImageFormat
    /// Means, one per channel.
    public var normalizeMean: [Double]?
    /// Divisors, one per channel.
    public var normalizeStd: [Double]?
    /// Width after resizing, in pixels.
    public var resizeWidth: Int?
    /// Height after resizing, in pixels.
    public var resizeHeight: Int?
    /// How pictures are resized; nil leaves their size.
    public var resizeMethod: ResizeMethod?
    /// Width of the cut, in pixels.
    public var centerCropWidth: Int?
    /// Height of the cut, in pixels.
    public var centerCropHeight: Int?
  }

  /// `[dynamic_quant_param]`.
  public struct Dynamic: Hashable, Sendable {
    /// The granularity.
    public var quantStrategy: DynamicQuantStrategy
    /// Whether convolutions get integers too.
    public var quantizeConv: Bool
    /// Whether onnxruntime's own operators may be written.
    public var runtimeOperators: Bool
  }

  /// `[transform_quant_param]`.
  public struct Transform: Hashable, Sendable {
    /// What becomes of quantization that the model brings along.
    public var exportPrecisionMode: ExportPrecisionMode
  }

  /// The keys of `[ascend_context]` that touch quantization.
  public struct Ascend: Hashable, Sendable {
    /// The compiler.
    public var provider: String?
    /// Input shapes as written.
    public var inputShape: String?
    /// Extents of dynamic axes as written.
    public var dynamicDims: String?

    /// The shapes of `inputShape` without open extents, by input.
    public var fixedShapes: [String: [Int]] {
      let shapes = inputShape.flatMap { ShapeText.shapes($0, .bracketed) } ?? [:]
      return shapes.filter { !$0.value.contains(-1) }
    }
  }

  /// Which quantization is done.
  public var quantType: QuantType
  /// Bits per weight; 0 chooses them per tensor.
  public var bitNum: Int
  /// Weights with more elements than this are quantized.
  public var minQuantWeightSize: Int
  /// Convolutions with more output channels than this are quantized.
  public var minQuantWeightChannel: Int
  /// Nodes that stay float.
  public var skipQuantNode: [SkipPattern]
  /// Directory for reports; nil for none.
  public var debugInfoSavePath: String?
  /// Whether weights are packed tightly.
  public var enableEncode: Bool
  /// Directory for temporary files.
  public var workspace: String?
  /// `[weight_quant_param]`.
  public var weight: Weight
  /// `[mixed_bit_weight_quant_param]`.
  public var mixedBit: MixedBit
  /// `[full_quant_param]`.
  public var full: Full
  /// `[data_preprocess_param]`.
  public var data: Data
  /// `[dynamic_quant_param]`.
  public var dynamic: Dynamic
  /// `[transform_quant_param]`.
  public var transform: Transform
  /// `[ascend_context]`.
  public var ascend: Ascend
  /// What deserves attention: keys without effect and the like.
  public let warnings: [Diagnostic]

  let parsed: ParsedConfiguration

  /// Checks `parsed` as a whole and takes its values.
  ///
  /// - Throws: every conflict between keys, then every capability this version lacks; warnings
  ///   included.
  public init(from parsed: ParsedConfiguration) throws(Failure) {
    let problems = ProblemList.ordered(
      parsed.problems + QuantizationRules.problems(of: parsed))
    if ProblemList.hasError(problems) { throw Failure(problems) }
    self.init(checked: parsed, warnings: problems)
  }

  /// Takes the values for a look at the samples, which needs no quantization: what this version
  /// can't do, and keys without effect, don't matter.
  ///
  /// - Throws: every other problem.
  public init(preview parsed: ParsedConfiguration) throws(Failure) {
    let problems = ProblemList.ordered(
      parsed.problems + QuantizationRules.problems(of: parsed)
    ).filter { ![.capabilityNotBuilt, .keyWithoutEffect].contains($0.code) }
    if ProblemList.hasError(problems) { throw Failure(problems) }
    self.init(checked: parsed, warnings: problems)
  }

  /// Whether the file gives the key rather than leaving its default.
  public func isExplicit(section: String, key: String) -> Bool {
    parsed.find(section, key) != nil
  }

  /// A key's value as the file gives it; empty where it doesn't.
  public func parsedText(section: String, key: String) -> String {
    parsed.value(section: section, key: key)?.text ?? ""
  }

  /// Where the value of a key stands, or a part of it in bytes from its start; nil when it has its
  /// default.
  public func location(
    section: String, key: String, part: Range<Int>? = nil
  ) -> Diagnostic.Location? {
    parsed.location(section: section, key: key, part: part)
  }
}
