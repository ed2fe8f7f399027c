/// How the elements of an activation are represented as integers while a model runs:
/// `real = scale * (integer - zeroPoint) / factor`, one scale and zero point for the tensor and,
/// where channels are equalized, one factor for each channel.
public struct ActivationQuantization: Sendable {
  /// Who reads the quantized form.
  public enum Readers: Sendable {
    /// Every node, and the graph's caller.
    case all
    /// These nodes only; all others read the float values.
    case nodes(Set<ObjectIdentifier>)
  }

  /// The integers' type: `uint8` or `int8`.
  public var elementType: ElementType
  /// Real distance of neighbouring integers; finite and positive.
  public var scale: Float
  /// The integer that stands for zero.
  public var zeroPoint: Int32
  /// Who reads the quantized form.
  public var readers: Readers
  /// Factors that spread the channels over the integers; nil without. Nodes whose weights make up
  /// for them are in `equalized`.
  public var factors: ChannelFactors?

  /// Channels of an activation that are multiplied before they become integers.
  public struct ChannelFactors: Sendable {
    /// How many axes come after that of the channels.
    public var trailingAxes: Int
    /// The factor of each channel; finite and positive.
    public var values: [Float]
    /// Nodes, readers and the maker, whose weights hold the factors already.
    public var equalized: Set<ObjectIdentifier>

    /// States factors.
    public init(trailingAxes: Int, values: [Float], equalized: Set<ObjectIdentifier>) {
      self.trailingAxes = trailingAxes
      self.values = values
      self.equalized = equalized
    }

    /// Divides each element of a row-major tensor by its channel's factor; leaves a tensor alone
    /// that has other channels.
    ///
    /// - Complexity: O(elements).
    public func remove(from elements: inout [Float], extents: [Int]) {
      let axis = extents.count - 1 - trailingAxes
      guard axis >= 0, extents[axis] == values.count else { return }
      let inner = extents[(axis + 1)...].reduce(1, *)
      for index in elements.indices { elements[index] /= values[index / inner % values.count] }
    }
  }

  /// States the parameters of an activation.
  public init(
    elementType: ElementType, scale: Float, zeroPoint: Int32, readers: Readers,
    factors: ChannelFactors? = nil
  ) {
    self.factors = factors
    self.elementType = elementType
    self.scale = scale
    self.zeroPoint = zeroPoint
    self.readers = readers
  }
}
