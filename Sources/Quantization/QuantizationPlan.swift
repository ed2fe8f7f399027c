import ModelGraph
import Operators

/// Why a constant that could hold weights stays float.
public enum FloatReason: Hashable, Sendable {
  case skipped(pattern: String)
  case rankBelowTwo
  case elementType(ElementType)
  case notAboveMinSize(elements: Int, limit: Int)
  case notAboveMinChannel(channels: Int, limit: Int)
  /// The parameters would cost more than the bits save.
  case tooFewPerChannel(elements: Int, limit: Int)
  /// A lookup table whose scales would have to be its few rows', where they are too coarse.
  case fewRows(Int)
  /// An operator that has no weights reads it too, and takes floats only.
  case readByOthers(operatorType: String)
  case nonFinite
  case rangeTooWide
  case overridable
  case sparse
  case empty
  case alreadyQuantized
  case insideFunction
  /// The operator that uses it doesn't run in integers.
  case operatorStaysFloat(FloatOperatorReason)

  /// The reason in words.
  public var text: String {
    switch self {
    case .skipped(let pattern): "skip_quant_node=\(pattern)"
    case .rankBelowTwo: "fewer than two axes"
    case .elementType(let type): "holds \(type.name)"
    case .notAboveMinSize(let elements, let limit):
      "\(elements) elements, min_quant_weight_size=\(limit)"
    case .notAboveMinChannel(let channels, let limit):
      "\(channels) channels, min_quant_weight_channel=\(limit)"
    case .tooFewPerChannel(let elements, let limit):
      "\(elements) elements a channel, over \(limit) pay with bias_correction"
    case .fewRows(let rows): "a table of \(rows) rows, and the format has no scales but theirs"
    case .readByOthers(let type): "read by \(type) too, which takes floats only"
    case .nonFinite: "holds NaN or infinity"
    case .rangeTooWide: "values beyond what a float32 scale can span"
    case .overridable: "callers may feed another value"
    case .sparse: "stored sparse"
    case .empty: "no elements"
    case .alreadyQuantized: "already quantized"
    case .insideFunction: "inside a model's function"
    case .operatorStaysFloat(let reason): reason.text
    }
  }
}

/// One constant that holds weights, and what becomes of it.
public struct ConstantPlan {
  /// What is to be done.
  public enum Decision {
    case quantize(WeightRecipe)
    case stayFloat(FloatReason)
  }

  /// The constant.
  public let value: Value
  /// The nodes that use it as weights, in the graph's order; at least one.
  public let nodes: [Node]
  /// Type, shape and bytes as they are.
  public let source: TensorData
  /// What is to be done.
  public let decision: Decision
}

/// How one constant is quantized.
public struct WeightRecipe: Hashable, Sendable {
  /// How the integers are stored.
  public var storage: QuantizedStorage
  /// How elements belong to channels.
  public var layout: ChannelLayout
  /// How each range is chosen.
  public var range: WeightQuantizationSettings.RangeMethod
  /// How weights are rounded.
  public var round: WeightQuantizationSettings.RoundMethod
  /// Whether scales are corrected after rounding.
  public var correctsScale: Bool
  /// Whether the weights filter a waveform: errors are then kept out of low frequencies.
  public var shapesNoise = false
  /// The mean of each input relative to the inputs' deviation, in sixty-fourths, where the network
  /// tells it: rounding then balances errors times means.
  public var inputMeans: [Int32]?
  /// Whether a corrected scale counts errors under these means too; a bias that takes the mean error
  /// makes them meaningless.
  public var weighsScales = false
  /// Whether the integers lie evenly around zero, with 0 for zero, as integer kernels want them.
  public var isSymmetric = false
  /// A bound on neighbouring integers; nil without one.
  public var pairLimit: PairLimit?
  /// The distances of neighbouring integers around zero, one or one for each channel, where they are
  /// chosen rather than follow from range and bits.
  public var steps: [Float] = []
  /// Bits that the smallest form of a `.ms` file takes for a weight, about; nil where they are those
  /// of the integers.
  public var packedBits: Double?
  /// How ranges are chosen for more than 6 bits and for fewer, where the bits are chosen later.
  public var ranges: RangeChoice?

  /// How ranges are chosen by the number of bits.
  public struct RangeChoice: Hashable, Sendable {
    /// For more than 6 bits.
    public var fine: WeightQuantizationSettings.RangeMethod
    /// For up to 6 bits.
    public var coarse: WeightQuantizationSettings.RangeMethod
  }

  /// Bits of a weight, as reports state them.
  public var effectiveBits: Double { packedBits ?? Double(storage.bits) }

  /// Number of scales: one for each block, channel or tensor.
  public var scaleCount: Int {
    guard storage.axis != nil else { return 1 }
    return layout.channels * (storage.block.map { layout.elementsPerChannel / $0.size } ?? 1)
  }

  /// The means that rounding balances errors against: those of the inputs, less their own mean where
  /// an offset makes errors sum to zero in any case.
  var roundingMeans: [Int32]? {
    guard storage.hasOffsets, let inputMeans, !inputMeans.isEmpty else { return inputMeans }
    let total = inputMeans.reduce(0) { $0 + Double($1) }
    let mean = Int32((total / Double(inputMeans.count)).rounded())
    return inputMeans.map { $0 - mean }
  }

  /// The rounding in one word.
  public var roundName: String {
    shapesNoise ? "FEEDBACK" : round.rawValue + (inputMeans == nil ? "" : "+MEANS")
  }
}

/// What each constant gets: a value, made before anything is changed.
public struct QuantizationPlan {
  /// All constants that hold weights, in the order the graph names them.
  public let constants: [ConstantPlan]

  /// Those that will be quantized.
  public var quantized: [(plan: ConstantPlan, recipe: WeightRecipe)] {
    constants.compactMap { plan in
      if case .quantize(let recipe) = plan.decision { (plan, recipe) } else { nil }
    }
  }
}
