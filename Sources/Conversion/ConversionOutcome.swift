import ModelGraph
import Quantization
import SampleData
import WeightCoding

/// A model's facts for its first line.
public struct ModelFacts: Sendable {
  /// Path as given.
  public var path: String
  /// Bytes of the file and its external data.
  public var byteCount: Int
  /// Elements of all constants.
  public var weightCount: Int
  /// Nodes, those of subgraphs included.
  public var nodeCount: Int
  /// `name type[shape]` of each input.
  public var inputs: [String]
}

/// What became of one constant.
public struct ConstantFacts: Sendable {
  /// Name of the tensor.
  public var tensor: String
  /// The first node that uses it.
  public var node: String
  /// That node's operator.
  public var operatorType: String
  /// How many nodes use it.
  public var userCount: Int
  /// Extents.
  public var dimensions: [Int]
  /// Bytes as float.
  public var floatByteCount: Int
  /// How it is stored, if it is quantized.
  public var recipe: WeightRecipe?
  /// Why it stays float, if it does.
  public var floatReason: FloatReason?
  /// Whether the model brought it along as integers, which stay.
  public var isKeptQuantized: Bool { floatReason == .alreadyQuantized }
  /// Bytes in the result: integers and parameters, or the floats.
  public var storedByteCount: Int
  /// The form of the integers in a `.ms` file, once it is known.
  public var compression: WeightCompression?
  /// Signal to noise of the weights in decibels; nil before quantization.
  public var signalToNoise: Double?
}

/// What a conversion did, or would do.
public struct ConversionOutcome: Sendable {
  /// The model that was read.
  public var model: ModelFacts
  /// The constants that hold weights, in the graph's order.
  public var constants: [ConstantFacts]
  /// Operator set before and after.
  public var operatorSets: (before: Int, after: Int)
  /// Bytes of the result.
  public var outputByteCount: Int
  /// Most memory the conversion should need, in bytes.
  public var predictedPeakByteCount: Int
  /// Files written, the model first.
  public var files: [String]
  /// What was found where bits are chosen for each tensor; nil where they are not.
  public var mixed: MixedBitFacts?
  /// What full quantization did beside; nil for weights alone.
  public var full: FullFacts?
  /// What dynamic quantization did beside; nil for other quantizations.
  public var dynamic: DynamicFacts?
  /// What the model brought along quantized; nil for a float model.
  public var brought: QuantizedInputFacts?
  /// Float against quantized; nil in a dry run, and for weights alone unless there are samples or
  /// `--minCosine` asks.
  public var quality: QualityReport?
  /// What the reports about distributions rest on; nil where there are none.
  public var report: ReportFacts?
  /// What running the result showed; nil where it wasn't asked for.
  public var trial: TrialFacts?
  /// Seconds from start to end.
  public var seconds: Double
}

/// What full quantization did beside the weights.
public struct FullFacts: Sendable {
  /// Samples used for calibration.
  public var sampleCount: Int
  /// What the model sees of the first sample, input by input.
  public var firstSample: [FirstSample]
  /// Operators that run in integers.
  public var integerOperatorCount: Int
  /// Operators with weights that stay float, and why.
  public var floatOperators: [(node: String, operatorType: String, reason: String)]
  /// Activations that are quantized.
  public var activationCount: Int
  /// The runtime whose integer operators were planned for.
  public var runtime = "ONNX Runtime"
  /// Seconds that calibration took.
  public var calibrationSeconds: Double
  /// The share of the model's multiply-adds that these take; nil where shapes aren't known.
  public var integerShare: Double?
  /// How the ranges did against MAX_MIN's; nil where they weren't compared.
  public var rangeTrial: ComparisonFacts?
  /// How weights rounded on samples did against plain ones; nil where none were rounded so.
  public var roundingTrial: ComparisonFacts?
}

/// What the reports about distributions rest on.
public struct ReportFacts: Sendable {
  /// What the models were run on.
  public enum Input: String, Sendable {
    /// The samples of the calibration.
    case samples = "calibration samples"
    /// The first of them.
    case firstSample = "the first calibration sample"
    /// Made input.
    case random = "random input"
  }

  /// Number of runs of each model.
  public var roundCount: Int
  /// What they were run on.
  public var input: Input
  /// Signal to noise in decibels of what each operator makes in integers, over all runs, in the
  /// graph's order; infinite without noise.
  public var losses: [(node: String, signalToNoise: Double)]
}

/// Told of a conversion's steps as they happen.
public protocol ConversionObserver: Sendable {
  /// A step begins; `total` is its amount of work.
  func began(_ step: String, total: Int, of unit: ProgressUnit)
  /// That much of the step is done. Called from any thread.
  func advanced(by amount: Int)
  /// The step is over.
  func ended()
}

/// What a step's work is counted in.
public enum ProgressUnit: Sendable {
  case bytes
  case samples
}
