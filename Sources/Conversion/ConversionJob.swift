import Configuration
import Quantization
import Support

/// Everything one conversion needs to know, checked.
public struct ConversionJob: Sendable {
  /// The model to read.
  public var modelPath: String
  /// The format of that, where somebody says it; else the file tells.
  public var format: ModelFormat?
  /// The model to write.
  public var outputPath: String
  /// What to do with the weights.
  public var weights: WeightQuantizationSettings
  /// What to do with weights and activations; nil for weights alone.
  public var full: FullJob?
  /// What the bits of each tensor are chosen by; nil for the same everywhere.
  public var mixed: MixedBitJob?
  /// How activations are quantized while the model runs; nil where they aren't.
  public var dynamic: DynamicStrategy?
  /// What gets integers under dynamic quantization beside matrix products.
  public var dynamicScope = DynamicScope()
  /// Where the patterns of `skip_quant_node` stand in the configuration, in their order.
  public var skipLocations: [Diagnostic.Location]
  /// Folder for reports; nil for none.
  public var reportFolder: String?
  /// The samples that reports about weights run the models on; nil for made input.
  public var reportSamples: SampleJob?
  /// Whether weights are rounded by what their errors cost on samples (GPTQ).
  public var roundsOnSamples = false
  /// Whether what is written depends on the samples.
  var usesSamples: Bool {
    roundsOnSamples || mixed?.aim.looksAtSamples ?? false || dynamic != nil && reportSamples != nil
  }
  /// Worker threads; 0 is one for each processor.
  public var threads: Int
  /// Whether to plan only.
  public var isDryRun: Bool
  /// The least cosine between results of the float and the written model that is good enough; nil
  /// where nobody asks.
  public var minCosine: Double?
  /// Whether the result is run once on made input.
  public var runsResult = false
  /// Whether the result is a `.ms` file.
  public var writesMSLite = false
  /// Whether weights of a `.ms` file are stored as tightly as it allows.
  public var packsWeights = true
  /// Whether weights shall become float in front of each operator rather than at loading.
  public var dequantizesOnTheFly = false
  /// Whether an ONNX file may use onnxruntime's own operators for weights in blocks.
  public var usesRuntimeOperators = false
  /// Whether such weights of a `.ms` file become float by arithmetic on plain integers, as Ascend
  /// devices have it.
  public var dequantizesByArithmetic = false
  /// The most segments that such weights of a `.ms` file are decoded in at once, below 8 bits.
  public var segments = 1
  /// Whether weights are quantized; a `.ms` file may stay float.
  public var quantizesWeights = true
  /// Whether four-dimensional inputs of a `.ms` file keep channels before height and width.
  public var keepsInputLayout = false
  /// What becomes of quantization that the model brings along; nil where nobody says.
  public var transform: ExportPrecisionMode?
  /// Whether inputs of a `.ms` file are fed as 8-bit integers.
  public var hasIntegerInputs = false
  /// Whether results of a `.ms` file are 8-bit integers.
  public var hasIntegerOutputs = false
  /// Whether weights of a `.ms` file that stay float are stored in half precision.
  public var storesHalfPrecision = false
  /// Shapes of inputs, by name, where the model leaves them open.
  public var inputShapes: [String: [Int]] = [:]

  /// States a job.
  public init(
    modelPath: String, outputPath: String, weights: WeightQuantizationSettings,
    skipLocations: [Diagnostic.Location] = [], reportFolder: String? = nil, threads: Int = 0,
    isDryRun: Bool = false
  ) {
    self.modelPath = modelPath
    self.outputPath = outputPath
    self.weights = weights
    self.skipLocations = skipLocations
    self.reportFolder = reportFolder
    self.threads = threads
    self.isDryRun = isDryRun
  }

  /// The job that flags and configuration describe.
  public init(_ options: ConverterOptions, _ configuration: QuantizationConfiguration?) {
    if let configuration {
      self.init(options, quantization: configuration)
    } else {
      self.init(
        modelPath: options.modelFile, outputPath: options.outputFile, weights: .init(bits: 8),
        threads: options.threads, isDryRun: options.dryRun)
      quantizesWeights = false
    }
    format = options.fmk
    writesMSLite = options.saveType == .mindirLite
    hasIntegerInputs = options.hasIntegerInputs
    hasIntegerOutputs = options.hasIntegerOutputs
    storesHalfPrecision = options.storesHalfPrecision
    full?.settings.quantizesInputs = hasIntegerInputs
    full?.settings.quantizesOutputs = hasIntegerOutputs
    if writesMSLite, full?.settings.profile.name == TargetProfile.onnxRuntime.name {
      full?.settings.profile = .mindSporeLite
    }
    keepsInputLayout = options.hasChannelsFirstSamples
    transform = options.transform
    runsResult = options.infer
    minCosine = options.minCosine
    inputShapes = options.inputShapes
    if options.isForAscend, let configuration {
      inputShapes.merge(configuration.ascend.fixedShapes) { flag, _ in flag }
      if dequantizesOnTheFly {
        dequantizesByArithmetic = writesMSLite
        weights.operators = ConversionJob.ascendOperators
      }
    }
  }

  /// The operators whose weights Ascend devices dequantize while the model runs.
  private static let ascendOperators: Set<String> = ["Gather", "Gemm", "MatMul"]

  private init(_ options: ConverterOptions, quantization configuration: QuantizationConfiguration) {
    let weight = configuration.weight
    let range: WeightQuantizationSettings.RangeMethod? =
      switch weight.weightRangeMethod {
      case .maxMin: .maxMin
      case .mse: .meanSquaredError
      case .auto: nil
      }
    self.init(
      modelPath: options.modelFile, outputPath: options.outputFile,
      weights: WeightQuantizationSettings(
        bits: configuration.bitNum, perChannel: weight.perChannel,
        biasCorrection: weight.biasCorrection, minWeightSize: configuration.minQuantWeightSize,
        minWeightChannel: configuration.minQuantWeightChannel, rangeMethod: range,
        roundMethod: weight.weightRoundMethod == .nearest ? .nearest : .squant,
        skipped: configuration.skipQuantNode.map { NodePattern($0.pattern.pattern) }),
      skipLocations: configuration.skipQuantNode.map(\.location),
      reportFolder: configuration.debugInfoSavePath, threads: options.threads,
      isDryRun: options.dryRun)
    packsWeights = configuration.enableEncode
    if configuration.quantType == .weightQuant, configuration.bitNum == 0 {
      mixed = MixedBitJob(configuration)
    }
    if configuration.quantType == .weightQuant {
      dequantizesOnTheFly = weight.dequantStrategy == .onTheFly
      usesRuntimeOperators = weight.runtimeOperators
      segments = weight.maxSegments
      weights.groupSize = weight.groupSize.flatMap { Int($0.rawValue) }
    }
    if configuration.quantType == .dynamicQuant {
      dynamic = DynamicStrategy(rawValue: configuration.dynamic.quantStrategy.rawValue)
      dynamicScope = DynamicScope(
        convolutions: configuration.dynamic.quantizeConv,
        recurrences: configuration.dynamic.runtimeOperators)
    }
    if configuration.quantType == .fullQuant { full = FullJob(options, configuration) }
    if !configuration.data.calibratePath.isEmpty {
      reportSamples = SampleJob(options, configuration)
      roundsOnSamples =
        configuration.quantType != .dynamicQuant && weight.quantStrategy == .gptq
    }
  }
}
