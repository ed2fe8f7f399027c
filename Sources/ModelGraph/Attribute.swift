/// A named setting of a node.
public struct Attribute {
  /// What an attribute may hold.
  public enum Value {
    case int(Int64)
    case float(Float)
    case string([UInt8])
    case tensor(TensorData)
    case graph(Graph)
    case ints([Int64])
    case floats([Float])
    case strings([[UInt8]])
    case tensors([TensorData])
    case graphs([Graph])
    /// Something the graph only passes on; it is in `carried`.
    case opaque
  }

  /// The attribute's name.
  public var name: String
  /// What it holds.
  public var value: Value
  /// What else the file says of it, in its format's own encoding.
  public var carried: [UInt8]

  /// Makes an attribute.
  public init(_ name: String, _ value: Value, carried: [UInt8] = []) {
    self.name = name
    self.value = value
    self.carried = carried
  }

  /// The graphs inside, for control flow.
  public var graphs: [Graph] {
    switch value {
    case .graph(let graph): [graph]
    case .graphs(let graphs): graphs
    default: []
    }
  }
}
