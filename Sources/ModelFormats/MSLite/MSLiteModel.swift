import ModelGraph
import Support
import WeightCoding

/// A model in MindSpore Lite's vocabulary: what a `.ms` file says.
public struct MSLiteModel: Sendable {
  /// The operations of all graphs, in order of execution.
  public var nodes: [MSLiteNode] = []
  /// Constants and what nodes make, of all graphs.
  public var tensors: [MSLiteTensor] = []
  /// The graphs; the first is the main one.
  public var subgraphs: [MSLiteSubgraph] = []
  /// The program that wrote the file; decides how a runtime reads quantized weights.
  public var version = "MindSpore Lite 2.0.0"
  /// The format the model came from; 2 is ONNX.
  public var sourceFormat = 2

  /// An empty model.
  public init() {}
}

/// A graph of a model: indices into the model's nodes and tensors.
public struct MSLiteSubgraph: Hashable, Sendable {
  /// The graph's name.
  public var name: String
  /// The tensors that are fed.
  public var inputs: [Int]
  /// The tensors that are results.
  public var outputs: [Int]
  /// The graph's nodes, in order of execution.
  public var nodes: [Int]

  /// Makes a graph.
  public init(name: String, inputs: [Int], outputs: [Int], nodes: [Int]) {
    self.name = name
    self.inputs = inputs
    self.outputs = outputs
    self.nodes = nodes
  }
}

/// An operation.
public struct MSLiteNode: Sendable {
  /// How a node's weights and activations are quantized.
  public enum QuantizationType: Int, Sendable {
    case none = 0
    case weights = 4
    case all = 5
    case dynamic = 6
  }

  /// The name.
  public var name: String
  /// What it does.
  public var primitive: MSLitePrimitive
  /// The tensors it reads, by index.
  public var inputs: [Int]
  /// The tensors it makes, by index.
  public var outputs: [Int]
  /// How it is quantized.
  public var quantization = QuantizationType.none

  /// Makes a node.
  public init(name: String, primitive: MSLitePrimitive, inputs: [Int], outputs: [Int]) {
    self.name = name
    self.primitive = primitive
    self.inputs = inputs
    self.outputs = outputs
  }
}

/// An operator with its settings; what isn't set has the format's default.
public struct MSLitePrimitive: Hashable, Sendable {
  /// What a setting may be.
  public enum Setting: Hashable, Sendable {
    /// An integer, a truth value or a number of an enumeration.
    case int(Int64)
    case float(Float)
    case string(String)
    case ints([Int64])
    case floats([Float])
    /// Lists of integers, as paddings are stated.
    case rows([[Int64]])
    /// Named texts of a custom operator.
    case attributes([CustomAttribute])
  }

  /// A named text of a custom operator.
  public struct CustomAttribute: Hashable, Sendable {
    /// Its name.
    public var name: String
    /// Its text.
    public var text: String

    /// States an attribute.
    public init(_ name: String, _ text: String) {
      self.name = name
      self.text = text
    }
  }

  /// The operator's name in the format.
  public var name: String
  /// The settings by field name.
  public var settings: [String: Setting]

  /// Makes an operator.
  public init(_ name: String, _ settings: [String: Setting] = [:]) {
    self.name = name
    self.settings = settings
  }
}

/// A tensor.
public struct MSLiteTensor: Sendable {
  /// Where a constant's elements come from.
  public enum Content: Sendable {
    /// No constant: a node makes it, or it is fed.
    case variable
    /// Bytes that exist.
    case bytes(Bytes)
    /// Bytes that are made when they are written; `sourceByteCount` bytes are read for it.
    case made(byteCount: Int, sourceByteCount: Int, make: @Sendable () -> [UInt8])
    /// Integers that stand for a constant, rearranged slab by slab.
    case quantized(QuantizedConstant, rearrange: (@Sendable (EncodedSlab) -> [UInt8])?)
  }

  /// The name.
  public var name: String
  /// The type of the elements.
  public var elementType: ElementType
  /// The extents, -1 for one that isn't known; empty for a scalar, or where nothing is known.
  public var dimensions: [Int]
  /// The format's number of the layout.
  public var format: Int
  /// The elements.
  public var content: Content
  /// How integers stand for real numbers; one entry, or one for each channel.
  public var quantization: [MSLiteQuantization] = []
  /// How the bytes stand for the elements.
  public var compression = WeightCompression.none
  /// The axis with a scale for each index, where that is known; a file doesn't say it.
  public var channelAxis: Int?

  /// Makes a tensor.
  public init(
    name: String, elementType: ElementType, dimensions: [Int] = [], format: Int = 1,
    content: Content = .variable
  ) {
    self.name = name
    self.elementType = elementType
    self.dimensions = dimensions
    self.format = format
    self.content = content
  }

  /// Whether the file holds its elements.
  public var isConstant: Bool { if case .variable = content { false } else { true } }

  /// Bytes of the elements in the file.
  public var byteCount: Int {
    switch content {
    case .variable: 0
    case .bytes(let bytes): bytes.count
    case .made(let count, _, _): count
    case .quantized(let constant, _):
      constant.storage.elementType.byteCount(of: constant.source.elementCount) ?? 0
    }
  }
}

/// `real = scale * (integer - zeroPoint) * varianceCorrection + meanCorrection`.
public struct MSLiteQuantization: Hashable, Sendable {
  /// Distance of neighbouring integers.
  public var scale: Double
  /// The integer that stands for zero.
  public var zeroPoint: Int32
  /// Bits that the integers use.
  public var bits: Int32
  /// Factor that restores the spread.
  public var varianceCorrection: Float
  /// Offset that restores the mean.
  public var meanCorrection: Float

  /// States parameters.
  public init(
    scale: Double, zeroPoint: Int32, bits: Int32 = 8, varianceCorrection: Float = 1,
    meanCorrection: Float = 0
  ) {
    self.scale = scale
    self.zeroPoint = zeroPoint
    self.bits = bits
    self.varianceCorrection = varianceCorrection
    self.meanCorrection = meanCorrection
  }
}

extension ElementType {
  /// The format's number of the type; nil for types it doesn't have.
  public var msliteCode: Int32? {
    ElementType.msliteCodes.first { $0.type == self }?.code
  }

  /// The type of the format's number; nil for one that no model should use.
  public init?(msliteCode: Int32) {
    guard let entry = ElementType.msliteCodes.first(where: { $0.code == msliteCode }) else {
      return nil
    }
    self = entry.type
  }

  private static let msliteCodes: [(code: Int32, type: ElementType)] = [
    (12, .string), (30, .bool), (32, .int8), (33, .int16), (34, .int32), (35, .int64),
    (37, .uint8), (38, .uint16), (39, .uint32), (40, .uint64), (42, .float16), (43, .float32),
    (44, .float64),
  ]
}
