import ModelGraph

/// Finds what is known of a value's type, from declarations and from the nodes that lead to it.
enum ElementTypeFinder {
  /// Values looked at before giving up.
  private static let limit = 4096

  /// The type of a value's elements; nil when nothing says it.
  ///
  /// - Complexity: O(values before it), at most a fixed number.
  static func elementType(of value: Value) -> ElementType? {
    var open = [value]
    var seen: Set<ObjectIdentifier> = []
    while let next = open.popLast(), seen.count < limit {
      guard seen.insert(ObjectIdentifier(next)).inserted else { continue }
      if let type = ownType(of: next) { return type }
      open += valuesOfSameType(as: next).reversed()
    }
    return nil
  }

  /// The number of a value's axes; nil when its declaration or constant doesn't say it.
  static func rank(of value: Value) -> Int? {
    if case .tensor(_, let shape?) = value.type { return shape.count }
    return value.constant?.dimensions.count
  }

  private static func ownType(of value: Value) -> ElementType? {
    if case .tensor(let type, _) = value.type, type != .undefined { return type }
    if let data = value.constant { return data.elementType }
    guard let producer = value.producer, producer.isONNX("Cast"), let code = producer.int("to")
    else { return nil }
    return ElementType(onnxCode: code)
  }

  private static func valuesOfSameType(as value: Value) -> [Value] {
    guard let producer = value.producer, producer.isStandard else { return [] }
    let index = producer.outputs.firstIndex { $0 === value } ?? 0
    let type = producer.operatorType
    if type == "If" {
      return producer.subgraphs.compactMap { index < $0.outputs.count ? $0.outputs[index] : nil }
    }
    if type == "Where" { return producer.inputs.dropFirst().compactMap { $0 } }
    if uniform.contains(type) { return producer.inputs.compactMap { $0 } }
    if allOutputsLikeFirstInput.contains(type) || index == 0 && firstOutputLikeFirst.contains(type)
    {
      return (producer.inputs.first ?? nil).map { [$0] } ?? []
    }
    return []
  }

  /// Operators whose inputs and outputs all have one type.
  private static let uniform: Set<String> = [
    "Add", "BatchNormalization", "Concat", "Conv", "ConvTranspose", "Div", "Gemm",
    "InstanceNormalization", "MatMul", "Max", "Mean", "Min", "Mul", "PRelu", "Sub", "Sum",
  ]

  private static let allOutputsLikeFirstInput: Set<String> = ["GRU", "LSTM", "RNN", "Split"]

  private static let firstOutputLikeFirst: Set<String> = [
    "Abs", "Affine", "AveragePool", "Ceil", "Clip", "Compress", "Cos", "DepthToSpace",
    "Dropout", "Elu", "Erf", "Exp", "Expand", "Flatten", "Floor", "Gather", "GatherElements",
    "GatherND", "GlobalAveragePool", "GlobalLpPool", "GlobalMaxPool", "HardSigmoid", "HardSwish",
    "Hardmax", "Identity", "ImageScaler", "LRN", "LayerNormalization", "LeakyRelu", "Log",
    "LogSoftmax", "LpNormalization", "LpPool", "MaxPool", "MeanVarianceNormalization", "Mod",
    "Neg", "Pad", "Pow", "Reciprocal", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp",
    "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare", "Relu",
    "Reshape", "Resize", "Round", "Scatter", "ScatterElements", "ScatterND", "Selu", "Sigmoid",
    "Sign", "Sin", "Slice", "Softmax", "Softplus", "Softsign", "SpaceToDepth", "Sqrt", "Squeeze",
    "Tanh", "ThresholdedRelu", "Tile", "TopK", "Transpose", "Unsqueeze", "Upsample",
  ]
}
