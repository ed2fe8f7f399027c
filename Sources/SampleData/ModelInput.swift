import ModelGraph

/// Something that a model wants to be fed.
public struct ModelInput: Hashable, Sendable {
  /// The graph's name for it.
  public var name: String
  /// The type of its elements.
  public var elementType: ElementType
  /// Its extents, nil where unknown; nil when not even the number of axes is known.
  public var shape: [Int?]?

  /// Makes an input.
  public init(name: String, elementType: ElementType, shape: [Int?]?) {
    self.name = name
    self.elementType = elementType
    self.shape = shape
  }

  /// What a graph declares of an input; nil for what isn't a tensor, or of unknown type.
  public init?(name: String, type: ValueType?) {
    guard case .tensor(let elementType, let dimensions)? = type else { return nil }
    self.init(
      name: name, elementType: elementType,
      shape: dimensions?.map { dimension in
        if case .fixed(let extent) = dimension { extent } else { nil }
      })
  }

  /// `float32[?,3,224,224]`.
  public var typeText: String { Self.text(elementType, shape) }

  /// Whether a tensor of these extents can be fed.
  func fits(_ dimensions: [Int]) -> Bool {
    guard let shape else { return true }
    return shape.count == dimensions.count
      && zip(shape, dimensions).allSatisfy { $0 == nil || $0 == $1 }
  }

  /// The same input with all extents known; nil when the declaration contradicts them.
  func fixed(to dimensions: [Int]) -> ModelInput? {
    fits(dimensions) ? ModelInput(name: name, elementType: elementType, shape: dimensions) : nil
  }

  static func text(_ type: ElementType, _ shape: [Int?]?) -> String {
    let extents = shape?.map { $0.map(String.init) ?? "?" }.joined(separator: ",") ?? "..."
    return "\(type.name)[\(extents)]"
  }
}

/// Where the channels of four-dimensional data are.
public enum DataFormat: String, CaseIterable, Sendable {
  /// Batch, height, width, channels.
  case nhwc = "NHWC"
  /// Batch, channels, height, width.
  case nchw = "NCHW"

  /// The format of a model's input, told by the axis that has one of the given numbers of channels;
  /// NCHW, as ONNX has it, when both have or none; nil unless there are four axes.
  init?(of shape: [Int?], channelCounts: Set<Int>) {
    guard shape.count == 4 else { return nil }
    func isChannels(_ axis: Int) -> Bool { shape[axis].map(channelCounts.contains) ?? false }
    self = isChannels(3) && !isChannels(1) ? .nhwc : .nchw
  }

  /// The extents of an image in this format.
  func dimensions(height: Int, width: Int, channels: Int) -> [Int] {
    self == .nhwc ? [1, height, width, channels] : [1, channels, height, width]
  }

  /// Extents in NHWC order of extents in NCHW order.
  static func channelsLast<Extent>(_ nchw: [Extent]) -> [Extent] {
    [nchw[0], nchw[2], nchw[3], nchw[1]]
  }
}
