/// One operation: what it reads, what it makes, and its settings.
///
/// Operators the program doesn't know and those of other domains are nodes like any other.
public final class Node {
  /// The node's name; may be empty.
  public var name: String
  /// The operator, in ONNX's vocabulary.
  public var operatorType: String
  /// The operator's domain; empty for ONNX's own.
  public var domain: String
  /// The values read; nil where an optional input is left out.
  public var inputs: [Value?]
  /// The values made; nil where an optional output is left out.
  public var outputs: [Value?] {
    didSet { for output in outputs { output?.producer = self } }
  }
  /// The settings, in the file's order.
  public var attributes: [Attribute]
  /// What else the file says of the node, in its format's own encoding.
  public var carried: [UInt8]

  /// Makes a node and becomes the producer of its outputs.
  public init(
    name: String = "", operatorType: String, domain: String = "", inputs: [Value?] = [],
    outputs: [Value?] = [], attributes: [Attribute] = [], carried: [UInt8] = []
  ) {
    self.name = name
    self.operatorType = operatorType
    self.domain = domain
    self.inputs = inputs
    self.outputs = outputs
    self.attributes = attributes
    self.carried = carried
    for output in outputs { output?.producer = self }
  }

  /// The name to show to people: the node's own, or its first output's, or the operator's.
  public var displayName: String {
    if !name.isEmpty { return name }
    return outputs.lazy.compactMap { $0?.name }.first ?? operatorType
  }

  /// Whether the operator is `type` of ONNX's own domain.
  public func isONNX(_ type: String) -> Bool { operatorType == type && isStandard }

  /// Whether the operator is one of ONNX's own.
  public var isStandard: Bool { domain.isEmpty || domain == "ai.onnx" }

  /// The attribute of that name.
  public func attribute(_ name: String) -> Attribute.Value? {
    attributes.first { $0.name == name }?.value
  }

  /// An integer attribute.
  public func int(_ name: String) -> Int64? {
    if case .int(let value) = attribute(name) { value } else { nil }
  }

  /// A float attribute.
  public func float(_ name: String) -> Float? {
    if case .float(let value) = attribute(name) { value } else { nil }
  }

  /// A list of integers.
  public func ints(_ name: String) -> [Int64]? {
    if case .ints(let values) = attribute(name) { values } else { nil }
  }

  /// A text attribute.
  public func string(_ name: String) -> String? {
    guard case .string(let bytes) = attribute(name) else { return nil }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Sets or replaces an attribute; nil removes it.
  public func setAttribute(_ name: String, _ value: Attribute.Value?) {
    guard let value else {
      attributes.removeAll { $0.name == name }
      return
    }
    if let index = attributes.firstIndex(where: { $0.name == name }) {
      attributes[index].value = value
    } else {
      attributes.append(Attribute(name, value))
    }
  }

  /// The graphs in the attributes (branches of If, bodies of Loop and Scan).
  public var subgraphs: [Graph] { attributes.flatMap(\.graphs) }

  /// The elements that a Constant node makes; nil for other nodes and for its forms other than a
  /// dense tensor.
  public var constantOutput: TensorData? {
    guard isONNX("Constant"), case .tensor(let data) = attribute("value") else { return nil }
    return data
  }
}
