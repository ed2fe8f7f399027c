import ModelGraph

/// What a user asked of weight quantization with a fixed number of bits.
public struct WeightQuantizationSettings: Sendable {
  /// How the real range behind the integers is chosen.
  public enum RangeMethod: String, Sendable {
    /// From the smallest to the largest weight.
    case maxMin = "MAX_MIN"
    /// That, or for channels of few weights a little more: whichever rounds with the least error.
    case fitted = "FITTED"
    /// The range with the least squared error.
    case meanSquaredError = "MSE"
  }

  /// How weights become integers.
  public enum RoundMethod: String, Sendable {
    /// Each to the nearest.
    case nearest = "NEAREST"
    /// Nearest, but so that errors sum to about zero in each kernel and channel.
    case squant = "SQUANT"
  }

  /// Bits of each integer, 1 to 16.
  public var bits: Int
  /// Whether each output channel has a scale of its own.
  public var perChannel: Bool
  /// The operators whose own constants may have a scale for each channel, along the axis that the
  /// operator implies; nil for all, constants that reach them through other operators too, and
  /// whatever axis.
  public var perChannelOperators: Set<String>?
  /// The operators whose weights are quantized; nil for all. Tables have one scale then: they are
  /// looked up as integers.
  public var operators: Set<String>?
  /// Whether scales are corrected after rounding.
  public var biasCorrection: Bool
  /// A constant is quantized if it has more elements than this.
  public var minWeightSize: Int
  /// A convolution's constant is quantized if it has more channels than this.
  public var minWeightChannel: Int
  /// How ranges are chosen; nil lets bits and operator decide.
  public var rangeMethod: RangeMethod?
  /// How weights are rounded.
  public var roundMethod: RoundMethod
  /// Whether two integers of up to 4 bits share a byte.
  public var packsHalfBytes = true
  /// Whether channels have offsets, where scales are corrected.
  public var hasOffsets = false
  /// Whether operators that have no weights can read integers, made float for them.
  public var dequantizesForOthers = true
  /// Weights of a matrix product that share a scale; nil for those of a channel.
  public var groupSize: Int?
  /// Nodes whose weights stay float.
  public var skipped: [NodePattern]

  /// States the settings.
  public init(
    bits: Int, perChannel: Bool = true, biasCorrection: Bool = true, minWeightSize: Int = 0,
    minWeightChannel: Int = 16, rangeMethod: RangeMethod? = nil,
    roundMethod: RoundMethod = .squant, skipped: [NodePattern] = []
  ) {
    self.bits = bits
    self.perChannel = perChannel
    self.biasCorrection = biasCorrection
    self.minWeightSize = minWeightSize
    self.minWeightChannel = minWeightChannel
    self.rangeMethod = rangeMethod
    self.roundMethod = roundMethod
    self.skipped = skipped
  }

  /// The narrowest type that runtimes load for integers of that many bits.
  func storedType(bits: Int) -> ElementType {
    bits <= 4 && packsHalfBytes ? .int4 : bits <= 8 ? .int8 : .int16
  }
}
