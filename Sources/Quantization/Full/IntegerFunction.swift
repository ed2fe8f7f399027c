import ModelGraph

/// An operator without weights that takes part in integers.
public struct IntegerFunction {
  /// The operator.
  public let node: Node
  /// The activations that it reads quantized.
  public let inputs: [Value]
  /// Places of constants that become integers.
  public let constants: [Int]
  /// Results that are quantized for all; none where the runtime only wants inputs.
  public let outputs: [Value]

  /// Every activation that has to be quantized for it.
  var activations: [Value] { inputs + outputs }

  /// The places of a node's inputs that hold numbers to compute with; the others are settings.
  static func dataInputs(of node: Node) -> Range<Int> {
    switch node.operatorType {
    case "Add", "Sub", "Mul", "MatMul": 0..<min(2, node.inputs.count)
    case "Concat": 0..<node.inputs.count
    default: 0..<min(1, node.inputs.count)
    }
  }
}

extension WeightRecipe {
  /// Eight bits with one scale and zero point for all of a constant.
  static func tensor(_ source: TensorData) -> WeightRecipe {
    WeightRecipe(
      storage: QuantizedStorage(bits: 8, elementType: .int8, axis: nil),
      layout: ChannelLayout(dimensions: [1, source.elementCount], axis: 0, kernelAxis: nil),
      range: .maxMin, round: .nearest, correctsScale: false)
  }
}
