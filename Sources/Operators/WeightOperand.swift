import ModelGraph

/// An operator's input that takes trained weights, and how those weights are laid out.
public struct WeightOperand: Hashable, Sendable {
  /// Where one output channel's weights lie.
  public enum ChannelAxis: Hashable, Sendable {
    /// The same axis for every node.
    case axis(Int)
    /// Counted from the last axis: 1 is the last.
    case fromEnd(Int)
    /// The first if the attribute is nonzero, else the second.
    case transposed(by: String, ifSet: Int, otherwise: Int)
    /// The axis that an attribute names.
    case attribute(String, default: Int)
  }

  /// What the operator does with the weights, as far as rounding is concerned.
  public enum Role: Hashable, Sendable {
    /// Sums products over each channel: rounding errors of a channel add up.
    case summed
    /// Looks rows up: no sum, so each weight is best rounded by itself.
    case lookedUp
  }

  /// Index among the node's inputs.
  public let input: Int
  /// The channel axis.
  public let channelAxis: ChannelAxis
  /// What the weights are for.
  public let role: Role
  /// Axes from here on are one spatial kernel; nil without one.
  public let kernelAxis: Int?
  /// Whether `min_quant_weight_channel` applies (it does to convolutions only).
  public let hasChannelFilter: Bool

  /// The weight operands of a node; empty for operators without trained weights. A left operand counts
  /// only where the right one isn't constant: it is a first state then, not weights.
  public static func operands(of node: Node) -> [WeightOperand] {
    let operands = node.isStandard ? table[node.operatorType] ?? [] : []
    guard node.inputs.count > 1, node.inputs[1]?.constant != nil else { return operands }
    return operands.filter { $0.input > 0 || $0.role == .lookedUp }
  }

  /// The channel axis for a constant of `rank` axes; nil when it has none.
  public func axis(for node: Node, rank: Int) -> Int? {
    let axis =
      switch channelAxis {
      case .axis(let axis): axis
      case .fromEnd(let distance): rank - distance
      case .transposed(let name, let ifSet, let otherwise):
        (node.int(name) ?? 0) != 0 ? ifSet : otherwise
      case .attribute(let name, let fallback):
        node.int(name).flatMap { Int(exactly: $0) } ?? fallback
      }
    let counted = axis < 0 ? axis + rank : axis
    return (0..<rank).contains(counted) ? counted : nil
  }

  /// The one list. ONNX lays convolution weights out as [M, C/group, spatial...], transposed ones
  /// as [C, M/group, spatial...], recurrent ones as [directions, gates*hidden, input].
  private static let table: [String: [WeightOperand]] = [
    "Conv": [
      WeightOperand(
        input: 1, channelAxis: .axis(0), role: .summed, kernelAxis: 2, hasChannelFilter: true)
    ],
    "ConvTranspose": [
      WeightOperand(
        input: 1, channelAxis: .axis(1), role: .summed, kernelAxis: 2, hasChannelFilter: true)
    ],
    "MatMul": [
      WeightOperand(
        input: 1, channelAxis: .fromEnd(1), role: .summed, kernelAxis: nil, hasChannelFilter: false),
      WeightOperand(
        input: 0, channelAxis: .fromEnd(2), role: .summed, kernelAxis: nil, hasChannelFilter: false),
    ],
    "Gemm": [
      WeightOperand(
        input: 1, channelAxis: .transposed(by: "transB", ifSet: 0, otherwise: 1), role: .summed,
        kernelAxis: nil, hasChannelFilter: false),
      WeightOperand(
        input: 0, channelAxis: .transposed(by: "transA", ifSet: 1, otherwise: 0), role: .summed,
        kernelAxis: nil, hasChannelFilter: false),
    ],
    "Gather": [
      WeightOperand(
        input: 0, channelAxis: .attribute("axis", default: 0), role: .lookedUp, kernelAxis: nil,
        hasChannelFilter: false)
    ],
    "LSTM": recurrent, "GRU": recurrent, "RNN": recurrent,
  ]

  private static let recurrent = [1, 2].map { input in
    WeightOperand(
      input: input, channelAxis: .axis(1), role: .summed, kernelAxis: nil, hasChannelFilter: false)
  }
}
