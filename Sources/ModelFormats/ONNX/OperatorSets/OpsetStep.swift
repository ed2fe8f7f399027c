import ModelGraph
import Support

/// The rewrites of each step between operator sets.
enum OpsetStep {
  /// Makes a node's form in the newer set: the node itself, changed, with the nodes it now needs.
  typealias Rewrite = @Sendable (Node, inout RewriteContext) throws(Failure) -> [Node]

  /// The one list: version reached -> operator -> rewrite. Operators that only gained types,
  /// defaults or optional inputs aren't here.
  static let table: [Int: [String: Rewrite]] = [
    9: [
      "BatchNormalization": BatchNormalizationUpgrade.dropSpatial,
      "Upsample": ResizeUpgrade.upsampleScales,
      "Scan": { (node, context) throws(Failure) in
        throw context.unsupported(node, "Scan had a batch axis before")
      },
    ],
    10: [
      "Slice": AttributeUpgrade.slice,
      "TopK": AttributeUpgrade.topK,
      "Upsample": ResizeUpgrade.rename,
    ],
    11: [
      "Clip": AttributeUpgrade.clip,
      "Pad": AttributeUpgrade.pad,
      "Resize": ResizeUpgrade.coordinates,
      "Scatter": { (node, _) throws(Failure) in
        node.operatorType = "ScatterElements"
        return [node]
      },
    ],
    12: ["Dropout": AttributeUpgrade.dropout],
    13: [
      "Hardmax": SoftmaxUpgrade.flatten, "LogSoftmax": SoftmaxUpgrade.flatten,
      "Softmax": SoftmaxUpgrade.flatten,
      "ReduceSum": AttributeUpgrade.axes, "Split": AttributeUpgrade.split,
      "Squeeze": AttributeUpgrade.axes, "Unsqueeze": AttributeUpgrade.axes,
    ],
    14: ["BatchNormalization": BatchNormalizationUpgrade.dropTrainingOutputs],
    16: ["RoiAlign": ResizeUpgrade.roiAlign],
    18: [
      "ReduceL1": AttributeUpgrade.axes, "ReduceL2": AttributeUpgrade.axes,
      "ReduceLogSum": AttributeUpgrade.axes, "ReduceLogSumExp": AttributeUpgrade.axes,
      "ReduceMax": AttributeUpgrade.axes, "ReduceMean": AttributeUpgrade.axes,
      "ReduceMin": AttributeUpgrade.axes, "ReduceProd": AttributeUpgrade.axes,
      "ReduceSumSquare": AttributeUpgrade.axes, "Split": AttributeUpgrade.splitCount,
    ],
    20: ["DFT": AttributeUpgrade.dft, "GridSample": ResizeUpgrade.gridSample],
    21: ["GroupNormalization": GroupNormalizationUpgrade.perChannel],
  ]
}

/// Batch normalization lost `spatial` (9) and its training outputs (14).
enum BatchNormalizationUpgrade {
  static func dropSpatial(_ node: Node, _ context: inout RewriteContext) throws(Failure) -> [Node] {
    try context.check(node, ["spatial"])
    guard node.int("spatial") ?? 1 != 0 else {
      throw context.unsupported(node, "spatial=0 normalizes each position by itself")
    }
    node.setAttribute("spatial", nil)
    return [node]
  }

  static func dropTrainingOutputs(
    _ node: Node, _ context: inout RewriteContext
  ) throws(Failure) -> [Node] {
    guard node.outputs.dropFirst().allSatisfy({ $0 == nil }) else {
      throw context.unsupported(node, "it has the outputs of training")
    }
    node.outputs = Array(node.outputs.prefix(1))
    return [node]
  }
}

/// Softmax and its kin flattened their input to two axes until 13; since then they work on one axis.
enum SoftmaxUpgrade {
  static func flatten(_ node: Node, _ context: inout RewriteContext) throws(Failure) -> [Node] {
    try context.check(node, ["axis"])
    guard let input = node.inputs.first ?? nil, let output = node.output else { return [node] }
    let axis = node.int("axis") ?? 1
    node.setAttribute("axis", .int(-1))
    if axis == -1 { return [node] }
    if case .tensor(_, .some(let shape)) = input.type, axis == shape.count - 1 { return [node] }
    let shape = context.node("Shape", [input], "shape", of: node)
    let flat = context.node(
      "Flatten", [input], "flat", of: node, [Attribute("axis", .int(axis))])
    node.inputs[0] = flat.output
    node.outputs = [context.value("flat_result", of: node)]
    let back = Node(
      operatorType: "Reshape", inputs: [node.output, shape.output], outputs: [output])
    return [shape, flat, node, back]
  }
}

/// Group normalization's scale and bias were one per group in 18 and are one per channel since 21.
enum GroupNormalizationUpgrade {
  static func perChannel(_ node: Node, _ context: inout RewriteContext) throws(Failure) -> [Node] {
    try context.check(node, ["num_groups"])
    guard let groups = node.int("num_groups"), node.inputs.count == 3, let input = node.inputs[0]
    else { throw context.unsupported(node, "it lacks inputs or num_groups") }
    let shape = context.node("Shape", [input], "shape", of: node)
    let one = context.constant(TensorData(int64: [1]), "one", of: node)
    let groupCount = context.constant(TensorData(int64: [groups]), "groups", of: node)
    let channels = context.node("Gather", [shape.output, one.output], "channels", of: node)
    let each = context.node("Div", [channels.output, groupCount.output], "each", of: node)
    let target = context.node(
      "Concat", [groupCount.output, each.output], "target", of: node,
      [Attribute("axis", .int(0))])
    var nodes = [shape, one, groupCount, channels, each, target]
    for index in 1...2 {
      let column = context.node(
        "Unsqueeze", [node.inputs[index], one.output], "column", of: node)
      let expanded = context.node("Expand", [column.output, target.output], "expanded", of: node)
      let flat = context.node("Reshape", [expanded.output, channels.output], "flat", of: node)
      nodes += [column, expanded, flat]
      node.inputs[index] = flat.output
    }
    return nodes + [node]
  }
}
