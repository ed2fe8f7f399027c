import ModelGraph

/// The integers that one operator's weights and bias became, and what stands for which tensor.
public struct QuantizedOperation {
  /// A constant that is stored as integers.
  public struct Constant: Sendable {
    /// The name it had as floats; nil for a bias that the operator did not have.
    public let originalName: String?
    /// The name of its dequantized elements in the quantized graph.
    public let name: String
    /// Its extents.
    public let dimensions: [Int]
    /// Bits of an integer.
    public let bits: Int
    /// The scale of each channel, or one for all.
    public let scales: [Float]
    /// The zero point of each scale.
    public let zeroPoints: [Int32]
  }

  /// The operator.
  public let node: Node
  /// The name it is known by, that of the float graph.
  public let nodeName: String
  /// The activation it reads.
  public let inputName: String
  /// Its result, behind what it absorbed, where that is quantized for all; else nil.
  public let outputName: String?
  /// Its weights.
  public let weights: Constant
  /// Its bias, if it is stored as integers.
  public let bias: Constant?
  /// The factors that weights and bias hold.
  public let scaling: ChannelScaling
  /// How its weights are quantized.
  public let recipe: WeightRecipe
  /// What rounding cost the weights.
  public let parameters: TensorParameters

  /// Number of weights.
  public var elementCount: Int { weights.dimensions.reduce(1, *) }
}
