import Support

/// What one run converts, from where to where and how it reports: the flags of the command line
/// and of `[converter_param]`.
public struct ConverterOptions: Sendable {
  /// Format of the model that is read; nil lets the file tell.
  public var fmk: ModelFormat?
  /// Path of the model that is read.
  public var modelFile: String
  /// Path of the model that is written, with its extension.
  public var outputFile: String
  /// Format of the model that is written.
  public var saveType: SaveType
  /// Path of the weights of a Caffe model.
  public var weightFile: String?
  /// Path of the configuration file.
  public var configFile: String?
  /// Extents of inputs by name, where the model leaves them open.
  public var inputShapes: [String: [Int]]
  /// Whether raw samples of four-dimensional inputs have channels before height and width.
  public var hasChannelsFirstSamples: Bool
  /// Whether inputs are fed as 8-bit integers.
  public var hasIntegerInputs: Bool
  /// Whether results are 8-bit integers.
  public var hasIntegerOutputs: Bool
  /// Whether weights that stay float are stored in half precision.
  public var storesHalfPrecision: Bool
  /// Whether the model is quantized for Ascend devices.
  public var isForAscend: Bool
  /// Whether nothing is written.
  public var dryRun: Bool
  /// Whether the result is run once on made input.
  public var infer: Bool
  /// The least cosine between the results of the float and the written model that is good enough.
  public var minCosine: Double?
  /// Worker threads; 0 is one per core.
  public var threads: Int
  /// Whether only the last line is printed.
  public var quiet: Bool
  /// Whether everything is printed.
  public var verbose: Bool
  /// What becomes of quantization that the model brings along; nil where the file doesn't say.
  public var transform: ExportPrecisionMode?
  /// How messages are written.
  public var logFormat: LogFormat
  /// What deserves attention, such as flags without effect.
  public var warnings: [Diagnostic]
  /// The flags in effect as printable lines, defaults and the command line's marked.
  public var effectiveLines: [String]

  /// Whether the result isn't of the format that is read: it may stay float then. A `.ms` file that is
  /// read is told from fmk or its name here, since nothing is opened yet.
  var changesFormat: Bool {
    saveType == .mindirLite || fmk == .mslite
      || ByteText.asciiLowercased(modelFile).hasSuffix(SaveType.mindirLite.fileExtension)
  }

  /// Joins the flags of the command line (names without dashes) with those of the file; the
  /// command line wins.
  ///
  /// - Throws: every wrong, missing, conflicting or unsupported flag at once.
  public init(commandLine: [String: String], file: ParsedConfiguration?) throws(Failure) {
    let check = OptionChecker(commandLine: commandLine, file: file)
    guard let options = check.options else { throw Failure(check.problems) }
    self = options
  }

  init(_ flags: FlagValues, outputFile: String, saveType: SaveType, warnings: [Diagnostic]) {
    fmk = flags.word("fmk")
    modelFile = flags.text("modelFile") ?? ""
    self.outputFile = outputFile
    self.saveType = saveType
    weightFile = flags.text("weightFile")
    configFile = flags.text(FlagTable.configFile)
    inputShapes = flags.text("inputShape").flatMap(ShapeText.shapes) ?? [:]
    hasChannelsFirstSamples = flags.text("inputDataFormat") == "NCHW"
    hasIntegerInputs = flags.text("inputDataType") == "INT8"
    hasIntegerOutputs = flags.text("outputDataType") == "INT8"
    storesHalfPrecision = flags.text("fp16") == "on"
    isForAscend = AscendRules.isForAscend(flags)
    dryRun = flags.boolean("dryRun")
    infer = flags.boolean("infer")
    if case .real(let least) = flags.value("minCosine") { minCosine = least }
    if case .integer(let count) = flags.value("threads") { threads = count } else { threads = 0 }
    quiet = flags.boolean("quiet")
    verbose = flags.boolean("verbose")
    logFormat = flags.word("logFormat") ?? .text
    self.warnings = warnings
    effectiveLines = flags.effectiveLines
  }
}
