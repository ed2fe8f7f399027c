/// How the integers of a constant are stored and read back:
/// `real = scale * (integer - zeroPoint)`, one scale and zero point per channel.
public struct QuantizedStorage: Hashable, Sendable {
  /// Bits that the integers use, 1 to 16.
  public var bits: Int
  /// The stored element type: the narrowest that runtimes load (`int4`, `int8`, `int16`).
  public var elementType: ElementType
  /// The axis with one scale per index; nil for one scale for the whole tensor.
  public var axis: Int?
  /// Whether the integers of a single scale are meant for an entropy code, where the format has one.
  public var isEntropyCoded = false
  /// Blocks of a two-dimensional constant along the axis beside `axis`, each with one scale; nil
  /// where a channel has one.
  public var block: Block?
  /// Whether each channel has an offset that is added after scaling, where the format has one.
  public var hasOffsets = false
  /// Where the integers lie.
  public var arrangement = Arrangement.tensor

  /// Orders of integers.
  public enum Arrangement: Hashable, Sendable {
    /// Signed, in the constant's extents.
    case tensor
    /// Shifted to start at 0, each channel's blocks one after another, whatever the extents; so are
    /// scales and zero points. MatMulNBits of onnxruntime reads this.
    case blockRows
  }

  /// How channels are divided into blocks.
  public struct Block: Hashable, Sendable {
    /// Elements of a block.
    public var size: Int
    /// The axis along which blocks lie.
    public var axis: Int

    /// States blocks.
    public init(size: Int, axis: Int) {
      self.size = size
      self.axis = axis
    }
  }

  /// States a storage.
  public init(bits: Int, elementType: ElementType, axis: Int?) {
    self.bits = bits
    self.elementType = elementType
    self.axis = axis
  }
}

/// The parameters of some channels of a quantized constant, and what rounding cost them.
public struct EncodedParameters: Sendable {
  /// Index of the first channel.
  public var firstChannel: Int
  /// The scale of each channel.
  public var scales: [Float]
  /// The zero point of each channel.
  public var zeroPoints: [Int32]
  /// What is added to each channel after scaling; empty where nothing is.
  public var offsets: [Float] = []
  /// Sum of squares of the float weights.
  public var signal: Double
  /// Sum of squares of what the integers miss of them.
  public var noise: Double

  /// States the parameters from `firstChannel` on; channels follow.
  public init(
    firstChannel: Int, scales: [Float] = [], zeroPoints: [Int32] = [], signal: Double = 0,
    noise: Double = 0
  ) {
    self.firstChannel = firstChannel
    self.scales = scales
    self.zeroPoints = zeroPoints
    self.signal = signal
    self.noise = noise
  }
}

/// A part of a constant that is quantized by itself: a whole tensor, or some of its outermost rows.
public struct EncodedSlab: Sendable {
  /// Where the integers start, in bytes from the start of the tensor's packed integers.
  public var byteOffset: Int
  /// The packed integers.
  public var integers: [UInt8]
  /// The parameters of the slab's channels.
  public var parameters: EncodedParameters

  /// States a slab.
  public init(byteOffset: Int, integers: [UInt8], parameters: EncodedParameters) {
    self.byteOffset = byteOffset
    self.integers = integers
    self.parameters = parameters
  }
}

/// A constant that will be stored as integers.
///
/// The integers are made slab by slab when a writer asks, so a model needs never be in memory
/// twice. Every slab is a pure function of the float weights: any order, any number of threads.
public struct QuantizedConstant: Sendable {
  /// A number to know it by among the model's quantized constants.
  public let number: Int
  /// The float elements.
  public let source: TensorData
  /// How the integers are stored.
  public var storage: QuantizedStorage
  /// Number of scales: the extent of the axis, or 1.
  public let channelCount: Int
  /// Number of independent slabs.
  public let slabCount: Int
  /// Float bytes that making one slab reads.
  public let slabByteCount: Int
  /// The parameters, where the integers are made already.
  public let knownParameters: EncodedParameters?
  private let makeSlab: @Sendable (_ slab: Int, _ storage: QuantizedStorage) -> EncodedSlab

  /// States a quantized constant.
  public init(
    number: Int, source: TensorData, storage: QuantizedStorage, channelCount: Int, slabCount: Int,
    slabByteCount: Int, knownParameters: EncodedParameters? = nil,
    encode: @escaping @Sendable (_ slab: Int, _ storage: QuantizedStorage) -> EncodedSlab
  ) {
    self.number = number
    self.source = source
    self.storage = storage
    self.channelCount = channelCount
    self.slabCount = slabCount
    self.slabByteCount = slabByteCount
    self.knownParameters = knownParameters
    makeSlab = encode
  }

  /// Makes one slab.
  public func encode(_ slab: Int) -> EncodedSlab { makeSlab(slab, storage) }
}

/// A quantized constant's integers and scales as values of their own, for nodes that compute with
/// integers. Their elements are those of the constant's `quantized`.
public struct IntegerParts {
  /// The integers, in the constant's extents.
  public let integers: Value
  /// The scale of each channel, or one without extents.
  public let scales: Value
  /// The integers that stand for zero, as many as scales; nil if all are 0.
  public let zeroPoints: Value?
  /// Whether other nodes read the constant's real elements beside.
  public var keepsFloats = true

  /// States the parts.
  public init(integers: Value, scales: Value, zeroPoints: Value? = nil) {
    self.integers = integers
    self.scales = scales
    self.zeroPoints = zeroPoints
  }
}
