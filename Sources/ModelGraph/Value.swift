/// An edge of the graph: what one node makes and others read, or a constant, or a graph's input.
///
/// Identity is the object; names are unique within a graph and the graphs around it.
public final class Value {
  /// The name in the file.
  public var name: String
  /// What the file declares of its type, if it does.
  public var type: ValueType?
  /// The declaration in the format's own encoding.
  public var carriedDeclaration: [UInt8]?
  /// The elements of an initializer.
  public var initializer: TensorData?
  /// The node that makes it; nil for constants and inputs.
  public internal(set) weak var producer: Node?
  /// Whether a caller may feed another value in place of the initializer.
  public var isOverridable = false
  /// A constant in a form the graph only passes on (a sparse initializer).
  public var isOpaqueConstant = false
  /// The integers that stand for this constant, once it is quantized.
  public var quantized: QuantizedConstant?
  /// The names of those integers and their scales, where nodes read them as they are.
  public var integerParts: IntegerParts?
  /// How the value is represented as integers while the model runs; nil for float.
  public var activation: ActivationQuantization?

  /// What training measured of each channel (axis 1), where a normalization that said so is folded
  /// away.
  public var channelMoments: ChannelMoments?

  /// Makes a value without type, constant or producer.
  public init(name: String) { self.name = name }

  /// Makes a constant.
  public convenience init(name: String, initializer: TensorData) {
    self.init(name: name)
    self.initializer = initializer
  }

  /// The constant elements, whether an initializer or a Constant node holds them; nil when the
  /// value isn't known before the model runs.
  public var constant: TensorData? { initializer ?? producer?.constantOutput }

  /// Replaces the constant elements, wherever they are held.
  public func setConstant(_ data: TensorData) {
    if initializer != nil {
      initializer = data
    } else {
      producer?.setAttribute("value", .tensor(data))
    }
  }
}
