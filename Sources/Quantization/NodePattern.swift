import ModelGraph
import Support

/// A pattern of `skip_quant_node`: a name, a name with `*`, or `type:` and an operator.
public struct NodePattern: Hashable, Sendable {
  /// The text as written.
  public let text: String

  private let glob: Glob
  private let isType: Bool

  /// Reads a pattern; any text is one.
  public init(_ text: String) {
    self.text = text
    isType = text.hasPrefix("type:")
    glob = Glob(isType ? String(text.dropFirst(5)) : text)
  }

  /// Whether the node is meant. A node without a name goes by its first output's.
  ///
  /// An exact name is taken as it stands first, so that names with `*` or `?` in them can be
  /// written.
  public func matches(_ node: Node) -> Bool {
    if isType { return glob.matches(node.operatorType) }
    return node.displayName == text || glob.matches(node.displayName)
  }
}
