import ModelFormats
import ModelGraph
import Support

/// Which tensors the runtime may take for channels-first ones.
///
/// It doesn't look at data for that, but at transpositions: that of channels from last to first sets
/// the label, the opposite one takes it away, and other operators hand it on. Convolutions refuse
/// tensors that have it.
struct LayoutLabels {
  private var plain: Set<Int> = []

  private static let takingAway: Set<String> = [
    "Conv2DFusion", "Conv2dTransposeFusion", "MaxPoolFusion", "AvgPoolFusion", "Resize",
  ]
  private static let ofSeveral: Set<String> = [
    "AddFusion", "SubFusion", "MulFusion", "DivFusion", "PowFusion", "Maximum", "Minimum", "Where",
    "Concat", "MatMulFusion", "AddN", "LogicalAnd", "LogicalOr", "Equal", "Greater", "Less",
  ]

  /// Whether the runtime may take the tensor for a channels-first one.
  func mayBePlain(_ tensor: Int) -> Bool { plain.contains(tensor) }

  /// Follows a node that was added.
  mutating func follow(_ node: MSLiteNode, _ tensors: [MSLiteTensor]) {
    if LayoutLabels.takingAway.contains(node.primitive.name) { return }
    let deciding =
      LayoutLabels.ofSeveral.contains(node.primitive.name)
      ? node.inputs : Array(node.inputs.prefix(1))
    var isPlain = deciding.contains(where: plain.contains)
    if node.primitive.name == "Transpose", node.inputs.count == 2,
      case .bytes(let bytes) = tensors[node.inputs[1]].content
    {
      switch bytes.load(Int32.self).map(Int32.init(littleEndian:)) {
      case [0, 2, 3, 1]: isPlain = false
      case [0, 3, 1, 2], [0, 2, 1]: isPlain = true
      default: break
      }
    }
    if isPlain { plain.formUnion(node.outputs) }
  }
}
